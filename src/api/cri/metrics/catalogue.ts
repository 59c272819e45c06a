import type { Usage } from '../../../base/usage.ts';
import type { Counters, RunDetails } from '../../../engine/ports.ts';
import type { MetricDescriptor } from '../../../gen/cri/api.ts';
import { cpuMetrics, cpuUsageMetrics, pressureMetrics } from './cpu.ts';
import { diskMetrics } from './disk.ts';
import { limitMetrics } from './limits.ts';
import { memoryMetrics, memoryUsageMetrics } from './memory.ts';
import { descriptorOf } from './metric.ts';
import type { MetricOf } from './metric.ts';
import { networkMetrics } from './network.ts';
import { processMetrics, processUsageMetrics } from './processes.ts';
import type { ContainerSubject } from './subject.ts';

/**
 * Names, types and labels are those of cAdvisor, which a kubelet would have asked otherwise: dashboards and alerts are
 * written for them.
 * @see https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
 */
const usageMetrics: readonly MetricOf<Usage>[] = [
  ...cpuUsageMetrics,
  ...memoryUsageMetrics,
  ...processUsageMetrics,
  ...pressureMetrics,
];
const detailMetrics: readonly MetricOf<RunDetails>[] = [
  ...usageMetrics,
  ...cpuMetrics,
  ...memoryMetrics,
  ...processMetrics,
];
const containerMetrics: readonly MetricOf<ContainerSubject>[] = [...diskMetrics, ...limitMetrics];

export interface Catalogue {
  /** Of a container, and of a pod that has a cgroup for itself. */
  readonly usage: typeof usageMetrics;
  /** Of a container; those of `usage` are among them. */
  readonly details: typeof detailMetrics;
  /** Of a container too. */
  readonly container: typeof containerMetrics;
  /** Of a pod. */
  readonly network: typeof networkMetrics;
}

/** What this host's containers have samples of. */
export function catalogueFor(counters: Counters): Catalogue {
  const counted = <Subject>(kinds: readonly MetricOf<Subject>[]): readonly MetricOf<Subject>[] =>
    kinds.filter(({ isCounted }) => isCounted?.(counters) ?? true);
  return {
    usage: counted(usageMetrics),
    details: counted(detailMetrics),
    container: counted(containerMetrics),
    network: networkMetrics,
  };
}

/**
 * It does not change as long as the daemon lives: a client asks once, and passes over what it was not told of.
 * @see cri-api ListMetricDescriptors
 */
export function descriptors(counters: Counters): MetricDescriptor[] {
  const { details, container, network } = catalogueFor(counters);
  return [...details.map(descriptorOf), ...container.map(descriptorOf), ...network.map(descriptorOf)];
}
