import type { Counters } from '../../../engine/ports.ts';
import { MetricType } from '../../../gen/cri/api.ts';
import type { Metric, MetricDescriptor } from '../../../gen/cri/api.ts';
import { nanoseconds } from '../from-state/time.ts';

/** One value, with those of the labels that are the metric's own. */
export interface Sample {
  readonly value: number;
  readonly labels: readonly string[];
  /** Unix ms of a look that was not made now. */
  readonly at?: number;
}

interface Kind {
  readonly name: string;
  readonly help: string;
  /** Beside those that all metrics have. */
  readonly labels?: readonly string[];
  /** Hosts that count it; left out: all of them. */
  readonly isCounted?: (counters: Counters) => boolean;
}

/** What is measured of a subject, how it is called, and where its values come from. */
export interface MetricOf<Subject> extends Kind {
  readonly type: MetricType;
  readonly read: (subject: Subject) => readonly Sample[];
}

/** It only grows. */
export function counter<Subject>(kind: Kind, read: MetricOf<Subject>['read']): MetricOf<Subject> {
  return { ...kind, type: MetricType.COUNTER, read };
}

export function gauge<Subject>(kind: Kind, read: MetricOf<Subject>['read']): MetricOf<Subject> {
  return { ...kind, type: MetricType.GAUGE, read };
}

/** No sample when there is no value. */
export function sample(value: number | undefined, ...labels: readonly string[]): readonly Sample[] {
  return value === undefined ? [] : [{ value, labels }];
}

/** A value is a whole number on the wire, so of a time only the whole seconds are told. */
export function seconds(ns: number | undefined, ...labels: readonly string[]): readonly Sample[] {
  return sample(ns === undefined ? undefined : ns / 1e9, ...labels);
}

/** Those that every metric has, in the order of their names. */
const COMMON_LABELS = ['container', 'id', 'image', 'name', 'namespace', 'pod'] as const;

/** As a kubelet's own collector fills them in. */
export interface Labels {
  /** Its name in the pod; empty for the pod itself. */
  readonly container: string;
  /** The cgroup. */
  readonly id: string;
  readonly image: string;
  /** The runtime's id. */
  readonly name: string;
  readonly namespace: string;
  readonly pod: string;
}

export function descriptorOf<Subject>({ name, help, labels = [] }: MetricOf<Subject>): MetricDescriptor {
  return { name, help, labelKeys: [...COMMON_LABELS, ...labels] };
}

/** Every sample of a subject. Those of a look that was made now have no time of their own. */
export function metricsOf<Subject>(kinds: readonly MetricOf<Subject>[], subject: Subject, labels: Labels): Metric[] {
  const common = COMMON_LABELS.map((label) => labels[label]);
  return kinds.flatMap(({ name, type, read }) =>
    read(subject).map(
      (each): Metric => ({
        name,
        timestamp: each.at === undefined ? 0n : nanoseconds(each.at),
        metricType: type,
        labelValues: each.labels.length === 0 ? common : [...common, ...each.labels],
        value: { value: BigInt(Math.floor(each.value)) },
      }),
    ),
  );
}
