import type { Resources } from '../../../engine/container/spec.ts';
import { gauge, sample } from './metric.ts';
import type { MetricOf } from './metric.ts';
import type { ContainerSubject } from './subject.ts';

/** What the kernel takes when nothing is said. */
const USUAL_SHARES = 1_024;
const USUAL_PERIOD_US = 100_000;
const MS_PER_S = 1_000;

/** What was asked for, and when it began. */
export const limitMetrics: readonly MetricOf<ContainerSubject>[] = [
  gauge({ name: 'container_last_seen', help: 'When it was last looked at, in seconds since 1970.' }, ({ details }) =>
    sample(details.at / MS_PER_S),
  ),
  gauge({ name: 'container_start_time_seconds', help: 'When it was started, in seconds since 1970.' }, (subject) =>
    sample(subject.startedAt / MS_PER_S),
  ),
  gauge({ name: 'container_spec_cpu_shares', help: 'Its share of the processors, where 1024 is usual.' }, ({ spec }) =>
    sample(spec.resources.cpuShares ?? USUAL_SHARES),
  ),
  gauge({ name: 'container_spec_cpu_period', help: 'The period of its processor quota, in µs.' }, ({ spec }) =>
    sample(spec.resources.cpuPeriodUs ?? USUAL_PERIOD_US),
  ),
  gauge(
    { name: 'container_spec_cpu_quota', help: 'Its processor time in each period, in µs. Only where it has a quota.' },
    ({ spec }) => sample(quotaOf(spec.resources)),
  ),
  gauge({ name: 'container_spec_memory_limit_bytes', help: 'Its limit of memory, in bytes; 0: none.' }, ({ spec }) =>
    sample(limitOf(spec.resources.memoryBytes)),
  ),
  gauge(
    {
      name: 'container_spec_memory_swap_limit_bytes',
      help: 'Its limit of memory and swap together, in bytes; 0: none.',
    },
    ({ spec }) => sample(limitOf(spec.resources.memorySwapBytes)),
  ),
];

function quotaOf({ cpuQuotaUs, cpus, cpuPeriodUs = USUAL_PERIOD_US }: Resources): number | undefined {
  const quota = cpuQuotaUs ?? (cpus === undefined ? undefined : cpus * cpuPeriodUs);
  return quota === undefined || quota < 0 ? undefined : quota;
}

function limitOf(bytes = 0): number {
  return Math.max(0, bytes);
}
