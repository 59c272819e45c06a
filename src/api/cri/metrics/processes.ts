import type { Usage } from '../../../base/usage.ts';
import type { RunDetails } from '../../../engine/ports.ts';
import { gauge, sample } from './metric.ts';
import type { MetricOf } from './metric.ts';

/** Of whatever has a cgroup. */
export const processUsageMetrics: readonly MetricOf<Usage>[] = [
  gauge({ name: 'container_processes', help: 'Processes.' }, ({ processes }) => sample(processes)),
];

export const processMetrics: readonly MetricOf<RunDetails>[] = [
  gauge({ name: 'container_threads', help: 'Threads of all processes.' }, ({ threads }) => sample(threads)),
  gauge(
    { name: 'container_threads_max', help: 'How many threads there may be; 0: any number.' },
    ({ mostThreads = 0 }) => sample(mostThreads),
  ),
  gauge({ name: 'container_file_descriptors', help: 'Open descriptors of all processes.' }, ({ openFiles }) =>
    sample(openFiles),
  ),
  gauge({ name: 'container_sockets', help: 'Open sockets of all processes.' }, ({ sockets }) => sample(sockets)),
  gauge(
    {
      name: 'container_ulimits_soft',
      help: 'Soft limits of the first process.',
      labels: ['ulimit'],
    },
    ({ mostOpenFiles }) => sample(mostOpenFiles, 'max_open_files'),
  ),
];
