import assert from 'node:assert/strict';
import { test } from 'node:test';
import { descriptors } from '../../../../src/api/cri/metrics/catalogue.ts';
import type { Counters, Disk, RunDetails } from '../../../../src/engine/ports.ts';
import { ListMetricDescriptorsRequest, ListPodSandboxMetricsRequest, MetricType } from '../../../../src/gen/cri/api.ts';
import type { Metric } from '../../../../src/gen/cri/api.ts';
import type { CriEngineParts } from '../../../fakes/fake-cri-engine.ts';
import { message } from '../../../support/cri.ts';
import { podContainerRow, podRow, running, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const ALL: Counters = { pressure: true, hugepages: true, mostHugepages: true, mostMemory: true };
const NONE: Counters = { pressure: false, hugepages: false, mostHugepages: false, mostMemory: false };

/** What the conformance suite looks for on every host. */
const EVERYWHERE = `
container_blkio_device_usage_total container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total
container_cpu_cfs_throttled_seconds_total container_cpu_system_seconds_total container_cpu_usage_seconds_total
container_cpu_user_seconds_total container_file_descriptors container_fs_inodes_free container_fs_inodes_total
container_fs_limit_bytes container_fs_reads_bytes_total container_fs_reads_total container_fs_usage_bytes
container_fs_writes_bytes_total container_fs_writes_total container_last_seen container_memory_cache
container_memory_failcnt container_memory_failures_total container_memory_kernel_usage container_memory_mapped_file
container_memory_rss container_memory_swap container_memory_usage_bytes container_memory_working_set_bytes
container_network_receive_bytes_total container_network_receive_errors_total
container_network_receive_packets_dropped_total container_network_receive_packets_total
container_network_transmit_bytes_total container_network_transmit_errors_total
container_network_transmit_packets_dropped_total container_network_transmit_packets_total container_oom_events_total
container_processes container_sockets container_spec_cpu_period container_spec_cpu_quota container_spec_cpu_shares
container_spec_memory_limit_bytes container_spec_memory_swap_limit_bytes container_start_time_seconds container_threads
container_threads_max container_ulimits_soft`
  .trim()
  .split(/\s+/);

const SOMEWHERE = `
container_memory_max_usage_bytes container_hugetlb_usage_bytes container_hugetlb_max_usage_bytes
container_pressure_cpu_stalled_seconds_total container_pressure_cpu_waiting_seconds_total
container_pressure_io_stalled_seconds_total container_pressure_io_waiting_seconds_total
container_pressure_memory_stalled_seconds_total container_pressure_memory_waiting_seconds_total`
  .trim()
  .split(/\s+/);

const times = { totalUs: 3_500_000, avg10: 0, avg60: 0, avg300: 0 };
const pressure = { some: times, full: { ...times, totalUs: 1_000_000 } };

/** Of a container on a host that counts everything; no two values are the same. */
const details: RunDetails = {
  at: 1_700_000_100_900,
  cpuNs: 12_900_000_000,
  userCpuNs: 8_000_000_000,
  systemCpuNs: 4_000_000_000,
  periods: 100,
  throttledPeriods: 20,
  throttledNs: 5_000_000_000,
  usageBytes: 1_001,
  workingSetBytes: 1_002,
  rssBytes: 1_003,
  swapBytes: 1_004,
  cacheBytes: 1_005,
  mappedFileBytes: 1_006,
  kernelBytes: 1_007,
  mostUsageBytes: 1_008,
  limitHits: 1_009,
  oomKills: 1_010,
  pageFaults: 1_011,
  majorPageFaults: 1_012,
  processes: 1_013,
  threads: 1_014,
  mostThreads: 1_015,
  openFiles: 1_016,
  sockets: 1_017,
  mostOpenFiles: 1_018,
  devices: [
    { device: '/dev/sda', major: 8, minor: 0, readBytes: 2_001, writtenBytes: 2_002, reads: 2_003, writes: 2_004 },
  ],
  hugepages: [{ pageSize: '2MB', bytes: 2_005, mostBytes: 2_006 }],
  pressure: { cpu: pressure, memory: pressure, io: pressure },
};
const disk: Disk = {
  device: '/dev/sda',
  major: 8,
  minor: 0,
  totalBytes: 3_001,
  totalInodes: 3_002,
  freeInodes: 3_003,
};

const traffic = (first: number) => ({ bytes: first, packets: first + 1, errors: first + 2, dropped: first + 3 });
const interfaces = [{ name: 'eth0', received: traffic(4_000), sent: traffic(5_000) }];

const pod = podRow({ id: 'p1', cgroupParent: '/pods/p1' });
const spec = {
  id: 'c1',
  sandboxId: 'p1',
  cgroupPath: '/pods/p1/c1',
  resources: { memoryBytes: 9_001, cpuQuotaUs: 9_002 },
};
const row = podContainerRow(spec, {}, { state: running() });

function engineWith(
  given: Partial<RunDetails> = {},
  counters = ALL,
  cgroup: string | undefined = '/pods/p1',
): CriEngineParts {
  return {
    counters,
    disk: () => Promise.resolve(disk),
    sandboxes: {
      list: () => [{ row: pod }],
      usages: async () => new Map([['p1', { at: 1, interfaces, cgroup, usageBytes: 7_001 }]]),
    },
    containers: {
      list: () => [viewOf(row, pod)],
      details: async () => ({ ...details, ...given }),
      snapshotUsages: async () => new Map([['c1', { at: 1_700_000_000_000, usedBytes: 6_001, usedInodes: 6_002 }]]),
    },
  };
}

async function metricsOf(engine: CriEngineParts): Promise<{ readonly pod: Metric[]; readonly container: Metric[] }> {
  await using served = await ServedCri.open(engine);
  const { podMetrics } = await served.runtime.listPodSandboxMetrics(message(ListPodSandboxMetricsRequest));
  assert.equal(podMetrics.length, 1);
  const [{ podSandboxId, metrics, containerMetrics } = assert.fail()] = podMetrics;
  assert.deepEqual([podSandboxId, containerMetrics.map(({ containerId }) => containerId)], ['p1', ['c1']]);
  return { pod: metrics, container: containerMetrics[0]?.metrics ?? [] };
}

test('every metric that a kubelet knows is described, as far as the host counts it', () => {
  const names = (counters: Counters): string[] =>
    descriptors(counters)
      .map(({ name }) => name)
      .toSorted();
  assert.deepEqual(names(NONE), EVERYWHERE.toSorted());
  assert.deepEqual(names(ALL), [...EVERYWHERE, ...SOMEWHERE].toSorted());
});

test('each has words of help, and no two have the same name', () => {
  const all = descriptors(ALL);
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, help } of all) assert.match(help, /^[A-Z].*\.$/, name);
});

for (const [host, counters] of Object.entries({ ALL, NONE })) {
  test(`whatever is described has a sample, with a value for each label (a host that counts ${host})`, async () => {
    const engine = engineWith({}, counters);
    const { pod: ofPod, container } = await metricsOf(engine);
    const samples = Map.groupBy([...ofPod, ...container], ({ name }) => name);
    await using served = await ServedCri.open(engine);
    const { descriptors: told } = await served.runtime.listMetricDescriptors(message(ListMetricDescriptorsRequest));
    for (const { name, labelKeys } of told) {
      const found = samples.get(name) ?? [];
      assert.ok(found.length > 0, `${name} has a sample`);
      for (const { labelValues } of found) assert.equal(labelValues.length, labelKeys.length, name);
    }
    const described = new Set(told.map(({ name }) => name));
    assert.deepEqual(
      [...samples.keys()].filter((name) => !described.has(name)),
      [],
      'and nothing else is told',
    );
  });
}

/** Name and own labels → value. */
function valuesOf(metrics: readonly Metric[]): Record<string, number> {
  return Object.fromEntries(
    metrics.map(({ name, labelValues, value }) => [[name, ...labelValues.slice(6)].join(' '), Number(value?.value)]),
  );
}

test("a container's metrics are what was counted of it, times in whole seconds", async () => {
  const { container } = await metricsOf(engineWith());
  const { container_last_seen: seen, ...values } = valuesOf(container);
  assert.equal(seen, 1_700_000_100);
  assert.deepEqual(values, {
    'container_cpu_usage_seconds_total total': 12,
    container_cpu_user_seconds_total: 8,
    container_cpu_system_seconds_total: 4,
    container_cpu_cfs_periods_total: 100,
    container_cpu_cfs_throttled_periods_total: 20,
    container_cpu_cfs_throttled_seconds_total: 5,
    container_memory_usage_bytes: 1_001,
    container_memory_working_set_bytes: 1_002,
    container_memory_rss: 1_003,
    container_memory_swap: 1_004,
    container_memory_cache: 1_005,
    container_memory_mapped_file: 1_006,
    container_memory_kernel_usage: 1_007,
    container_memory_max_usage_bytes: 1_008,
    container_memory_failcnt: 1_009,
    container_oom_events_total: 1_010,
    'container_memory_failures_total pgfault container': 1_011,
    'container_memory_failures_total pgmajfault container': 1_012,
    container_processes: 1_013,
    container_threads: 1_014,
    container_threads_max: 1_015,
    container_file_descriptors: 1_016,
    container_sockets: 1_017,
    'container_ulimits_soft max_open_files': 1_018,
    'container_fs_reads_bytes_total /dev/sda': 2_001,
    'container_fs_writes_bytes_total /dev/sda': 2_002,
    'container_fs_reads_total /dev/sda': 2_003,
    'container_fs_writes_total /dev/sda': 2_004,
    'container_blkio_device_usage_total /dev/sda 8 0 Read': 2_001,
    'container_blkio_device_usage_total /dev/sda 8 0 Write': 2_002,
    'container_hugetlb_usage_bytes 2MB': 2_005,
    'container_hugetlb_max_usage_bytes 2MB': 2_006,
    'container_fs_usage_bytes /dev/sda': 6_001,
    'container_fs_limit_bytes /dev/sda': 3_001,
    'container_fs_inodes_total /dev/sda': 3_002,
    'container_fs_inodes_free /dev/sda': 3_003,
    container_start_time_seconds: 1_700_000_000,
    container_spec_cpu_shares: 1_024,
    container_spec_cpu_period: 100_000,
    container_spec_cpu_quota: 9_002,
    container_spec_memory_limit_bytes: 9_001,
    container_spec_memory_swap_limit_bytes: 0,
    container_pressure_cpu_waiting_seconds_total: 3,
    container_pressure_cpu_stalled_seconds_total: 1,
    container_pressure_memory_waiting_seconds_total: 3,
    container_pressure_memory_stalled_seconds_total: 1,
    container_pressure_io_waiting_seconds_total: 3,
    container_pressure_io_stalled_seconds_total: 1,
  });
});

test('labels say whose it is, as a kubelet would', async () => {
  const { pod: ofPod, container } = await metricsOf(engineWith());
  const keys = descriptors(ALL).find(({ name }) => name === 'container_memory_rss')?.labelKeys;
  assert.deepEqual(keys, ['container', 'id', 'image', 'name', 'namespace', 'pod']);
  const rss = container.find(({ name }) => name === 'container_memory_rss');
  assert.deepEqual(rss?.labelValues, ['web', '/pods/p1/c1', 'test', 'c1', 'default', 'pod']);
  const usage = ofPod.find(({ name }) => name === 'container_memory_usage_bytes');
  assert.deepEqual(usage?.labelValues, ['', '/pods/p1', '', 'p1', 'default', 'pod']);
});

test("a pod's metrics are its network, and what all of it uses where it has a cgroup", async () => {
  const { pod: ofPod } = await metricsOf(engineWith());
  assert.deepEqual(valuesOf(ofPod), {
    'container_network_receive_bytes_total eth0': 4_000,
    'container_network_receive_packets_total eth0': 4_001,
    'container_network_receive_errors_total eth0': 4_002,
    'container_network_receive_packets_dropped_total eth0': 4_003,
    'container_network_transmit_bytes_total eth0': 5_000,
    'container_network_transmit_packets_total eth0': 5_001,
    'container_network_transmit_errors_total eth0': 5_002,
    'container_network_transmit_packets_dropped_total eth0': 5_003,
    container_memory_usage_bytes: 7_001,
  });
  const { sandboxes = {}, ...rest } = engineWith();
  const usages = async () => new Map([['p1', { at: 1, interfaces, cgroup: undefined, usageBytes: 7_001 }]]);
  const { pod: without } = await metricsOf({ ...rest, sandboxes: { ...sandboxes, usages } });
  assert.equal('container_memory_usage_bytes' in valuesOf(without), false, 'a sum would count its containers twice');
});

test('what grows is a counter, and what was measured before has the time of that', async () => {
  const { container } = await metricsOf(engineWith());
  const of = (wanted: string) => container.find(({ name }) => name === wanted);
  assert.equal(of('container_cpu_usage_seconds_total')?.metricType, MetricType.COUNTER);
  assert.equal(of('container_memory_rss')?.metricType, MetricType.GAUGE);
  assert.equal(of('container_memory_rss')?.timestamp, 0n);
  assert.equal(of('container_fs_usage_bytes')?.timestamp, 1_700_000_000_000_000_000n);
});

test('a container that has used no device yet has used none of the one that it would', async () => {
  const { container } = await metricsOf(engineWith({ devices: [] }));
  assert.equal(valuesOf(container)['container_fs_writes_total /dev/sda'], 0);
});

test('a container that ends meanwhile is left out', async () => {
  const engine = engineWith();
  const containers = { ...engine.containers, details: () => Promise.resolve(undefined) };
  await using served = await ServedCri.open({ ...engine, containers });
  const { podMetrics } = await served.runtime.listPodSandboxMetrics(message(ListPodSandboxMetricsRequest));
  assert.deepEqual(podMetrics[0]?.containerMetrics, []);
});
