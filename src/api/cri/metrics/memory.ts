import type { Usage, UsageDetails } from '../../../base/usage.ts';
import { counter, gauge, sample } from './metric.ts';
import type { MetricOf } from './metric.ts';

/** Of whatever has a cgroup. */
export const memoryUsageMetrics: readonly MetricOf<Usage>[] = [
  gauge(
    { name: 'container_memory_usage_bytes', help: 'Memory in use, whenever it was last looked at, in bytes.' },
    ({ usageBytes }) => sample(usageBytes),
  ),
  gauge(
    {
      name: 'container_memory_working_set_bytes',
      help: 'Memory in use without what the kernel would give up at once, in bytes.',
    },
    ({ workingSetBytes }) => sample(workingSetBytes),
  ),
  gauge({ name: 'container_memory_rss', help: 'Memory that belongs to no file, in bytes.' }, ({ rssBytes }) =>
    sample(rssBytes),
  ),
  gauge({ name: 'container_memory_swap', help: 'Swap in use, in bytes.' }, ({ swapBytes }) => sample(swapBytes)),
  counter(
    {
      name: 'container_memory_failures_total',
      help: 'Page faults. pgfault: all of them; pgmajfault: those that had to wait for a disk.',
      labels: ['failure_type', 'scope'],
    },
    ({ pageFaults, majorPageFaults }) => [
      ...sample(pageFaults, 'pgfault', 'container'),
      ...sample(majorPageFaults, 'pgmajfault', 'container'),
    ],
  ),
];

export const memoryMetrics: readonly MetricOf<UsageDetails>[] = [
  gauge({ name: 'container_memory_cache', help: 'Memory that holds pages of files, in bytes.' }, ({ cacheBytes }) =>
    sample(cacheBytes),
  ),
  gauge(
    { name: 'container_memory_mapped_file', help: 'Memory that holds mapped files, in bytes.' },
    ({ mappedFileBytes }) => sample(mappedFileBytes),
  ),
  gauge({ name: 'container_memory_kernel_usage', help: 'Memory that the kernel uses for it, in bytes.' }, (details) =>
    sample(details.kernelBytes),
  ),
  gauge(
    {
      name: 'container_memory_max_usage_bytes',
      help: 'The most memory that was in use, in bytes.',
      isCounted: ({ mostMemory }) => mostMemory,
    },
    ({ mostUsageBytes }) => sample(mostUsageBytes),
  ),
  counter({ name: 'container_memory_failcnt', help: 'How often the limit of memory was reached.' }, ({ limitHits }) =>
    sample(limitHits),
  ),
  counter(
    { name: 'container_oom_events_total', help: 'Processes that the kernel has killed for want of memory.' },
    ({ oomKills }) => sample(oomKills),
  ),
  gauge(
    {
      name: 'container_hugetlb_usage_bytes',
      help: 'Huge pages in use, in bytes.',
      labels: ['pagesize'],
      isCounted: ({ hugepages }) => hugepages,
    },
    ({ hugepages }) => hugepages.flatMap(({ bytes, pageSize }) => sample(bytes, pageSize)),
  ),
  gauge(
    {
      name: 'container_hugetlb_max_usage_bytes',
      help: 'The most huge pages that were in use, in bytes.',
      labels: ['pagesize'],
      isCounted: ({ mostHugepages }) => mostHugepages,
    },
    ({ hugepages }) => hugepages.flatMap(({ mostBytes, pageSize }) => sample(mostBytes, pageSize)),
  ),
];
