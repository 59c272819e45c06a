import type { Pressures, Usage, UsageDetails } from '../../../base/usage.ts';
import { counter, sample, seconds } from './metric.ts';
import type { MetricOf } from './metric.ts';

/** Of whatever has a cgroup. */
export const cpuUsageMetrics: readonly MetricOf<Usage>[] = [
  counter(
    {
      name: 'container_cpu_usage_seconds_total',
      help: 'Processor time used, in seconds.',
      labels: ['cpu'],
    },
    ({ cpuNs }) => seconds(cpuNs, 'total'),
  ),
];

export const cpuMetrics: readonly MetricOf<UsageDetails>[] = [
  counter(
    { name: 'container_cpu_user_seconds_total', help: 'Processor time used by programs, in seconds.' },
    ({ userCpuNs }) => seconds(userCpuNs),
  ),
  counter(
    { name: 'container_cpu_system_seconds_total', help: 'Processor time used by the kernel, in seconds.' },
    ({ systemCpuNs }) => seconds(systemCpuNs),
  ),
  counter(
    { name: 'container_cpu_cfs_periods_total', help: 'Periods of the processor quota that have passed.' },
    ({ periods }) => sample(periods),
  ),
  counter(
    {
      name: 'container_cpu_cfs_throttled_periods_total',
      help: 'Periods of the processor quota in which all of it was used up.',
    },
    ({ throttledPeriods }) => sample(throttledPeriods),
  ),
  counter(
    {
      name: 'container_cpu_cfs_throttled_seconds_total',
      help: 'Time spent waiting for the next period of the processor quota, in seconds.',
    },
    ({ throttledNs }) => seconds(throttledNs),
  ),
];

const NS_PER_US = 1_000;
const WORDS = { cpu: 'the processor', memory: 'memory', io: 'input and output' } as const;

/** Of whatever has a cgroup. `waiting`: one process at least; `stalled`: all of them. */
export const pressureMetrics: readonly MetricOf<Usage>[] = (['cpu', 'memory', 'io'] as const).flatMap((resource) => [
  counter<Usage>(
    {
      name: `container_pressure_${resource}_waiting_seconds_total`,
      help: `Time in which a process had to wait for ${WORDS[resource]}, in seconds.`,
      isCounted: ({ pressure }) => pressure,
    },
    ({ pressure }) => seconds(totalNs(pressure, resource, 'some')),
  ),
  counter<Usage>(
    {
      name: `container_pressure_${resource}_stalled_seconds_total`,
      help: `Time in which every process had to wait for ${WORDS[resource]}, in seconds.`,
      isCounted: ({ pressure }) => pressure,
    },
    ({ pressure }) => seconds(totalNs(pressure, resource, 'full')),
  ),
]);

function totalNs(
  pressure: Pressures | undefined,
  resource: keyof Pressures,
  kind: 'some' | 'full',
): number | undefined {
  const times = pressure?.[resource]?.[kind];
  return times === undefined ? undefined : times.totalUs * NS_PER_US;
}
