import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podSandboxStats } from '../../../../src/api/cri/from-state/sandbox-stats.ts';
import { containerStats } from '../../../../src/api/cri/from-state/stats.ts';
import type { InterfaceUsage } from '../../../../src/base/usage.ts';
import type { SandboxUsage } from '../../../../src/engine/index.ts';
import {
  ContainerStatsFilter,
  ListContainerStatsRequest,
  ListPodSandboxStatsRequest,
  PodSandboxStatsFilter,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { podContainerRow, podRow, running, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const AT = 1_700_000_000_000;
const TIMESTAMP = 1_700_000_000_000_000_000n;

test('what a container uses is told as far as the kernel tells it', () => {
  const usage = {
    at: AT,
    cpuNs: 5e9,
    cores: 0.25,
    workingSetBytes: 100,
    usageBytes: 150,
    limitBytes: 90,
    swapBytes: 7,
    swapLimitBytes: 10,
  };
  const { cpu, memory, swap, io, writableLayer } = containerStats(podContainerRow(), usage, undefined);

  assert.deepEqual(cpu, {
    timestamp: TIMESTAMP,
    usageCoreNanoSeconds: { value: 5_000_000_000n },
    usageNanoCores: { value: 250_000_000n },
    psi: undefined,
  });
  assert.deepEqual(memory, {
    timestamp: TIMESTAMP,
    workingSetBytes: { value: 100n },
    availableBytes: { value: 0n },
    usageBytes: { value: 150n },
    rssBytes: undefined,
    pageFaults: undefined,
    majorPageFaults: undefined,
    psi: undefined,
  });
  assert.deepEqual(swap, {
    timestamp: TIMESTAMP,
    swapAvailableBytes: { value: 3n },
    swapUsageBytes: { value: 7n },
  });
  assert.deepEqual([io, writableLayer], [undefined, undefined]);
});

test('without a limit nobody can say what is left', () => {
  const { memory, swap } = containerStats(podContainerRow(), { at: 1, workingSetBytes: 5, swapBytes: 1 }, undefined);
  assert.deepEqual([memory?.availableBytes, swap?.swapAvailableBytes], [undefined, undefined]);
});

test('pressure is told in ns', () => {
  const times = { totalUs: 2, avg10: 0.5, avg60: 0.25, avg300: 0.1 };
  const pressure = { io: { some: times, full: { ...times, totalUs: 1 } } };
  const { io, cpu } = containerStats(podContainerRow(), { at: AT, pressure }, undefined);
  assert.deepEqual(io, {
    timestamp: TIMESTAMP,
    psi: {
      Some: { Total: 2_000n, Avg10: 0.5, Avg60: 0.25, Avg300: 0.1 },
      Full: { Total: 1_000n, Avg10: 0.5, Avg60: 0.25, Avg300: 0.1 },
    },
  });
  assert.equal(cpu?.psi, undefined);
});

test('what it has written has the time of its measuring, and the name of its file system', () => {
  const layer = { at: AT - 5_000, usedBytes: 4_096, usedInodes: 3, filesystem: '/var/lib/berth/images' };
  assert.deepEqual(containerStats(podContainerRow(), { at: AT }, layer).writableLayer, {
    timestamp: TIMESTAMP - 5_000_000_000n,
    fsId: { mountpoint: '/var/lib/berth/images' },
    usedBytes: { value: 4_096n },
    inodesUsed: { value: 3n },
  });
});

test('a container that does not run uses nothing, and is named', () => {
  const stats = containerStats(podContainerRow({}, { labels: { a: 'b' } }), undefined, undefined);
  assert.deepEqual([stats.cpu, stats.memory, stats.attributes?.labels], [undefined, undefined, { a: 'b' }]);
});

function interfaceUsage(name: string, bytes: number): InterfaceUsage {
  const traffic = { bytes, packets: 1, errors: 2, dropped: 3 };
  return { name, received: traffic, sent: { ...traffic, bytes: bytes + 1 } };
}

function sandboxUsage(given: Partial<SandboxUsage> = {}): SandboxUsage {
  return { at: AT, interfaces: [], cgroup: undefined, ...given };
}

test("a pod's network is that of eth0, and the others beside it", () => {
  const interfaces = [interfaceUsage('net1', 10), interfaceUsage('eth0', 20)];
  const { linux } = podSandboxStats(podRow(), sandboxUsage({ interfaces, processes: 4, cpuNs: 9 }), []);
  const of = (name: string, bytes: bigint): object => ({
    name,
    rxBytes: { value: bytes },
    rxErrors: { value: 2n },
    txBytes: { value: bytes + 1n },
    txErrors: { value: 2n },
  });
  assert.deepEqual(linux?.network, {
    timestamp: TIMESTAMP,
    defaultInterface: of('eth0', 20n),
    interfaces: [of('net1', 10n)],
  });
  assert.deepEqual([linux.process?.processCount, linux.cpu?.usageCoreNanoSeconds], [{ value: 4n }, { value: 9n }]);
});

test("a pod in the host's network has none to tell of, and one without a device has no default", () => {
  assert.equal(podSandboxStats(podRow(), sandboxUsage({ interfaces: undefined }), []).linux?.network, undefined);
  const { network } = podSandboxStats(podRow(), sandboxUsage(), []).linux ?? {};
  assert.deepEqual([network?.defaultInterface, network?.interfaces], [undefined, []]);
});

const storage = { path: '/images', usedBytes: 1, usedInodes: 1 };
const imageStorage = () => Promise.resolve(storage);

test('statistics are of the containers that run', async () => {
  const [live, ended] = [podContainerRow({ id: 'aa' }, {}, { state: running() }), podContainerRow({ id: 'bb' })];
  const usage = (id: string) => (id === 'aa' ? { at: 1, cpuNs: 5 } : undefined);
  const asked: (readonly string[])[] = [];
  const snapshotUsages = async (ids: readonly string[]) => {
    asked.push(ids);
    return new Map([['aa', { at: 2, usedBytes: 6, usedInodes: 7 }]]);
  };
  await using served = await ServedCri.open({
    containers: { list: () => [viewOf(live), viewOf(ended)], usage, snapshotUsages },
    imageStorage,
  });

  const { stats } = await served.runtime.listContainerStats(message(ListContainerStatsRequest));
  assert.deepEqual(
    stats.map(({ attributes, writableLayer }) => [attributes?.id, writableLayer?.usedBytes, writableLayer?.fsId]),
    [['aa', { value: 6n }, { mountpoint: '/images' }]],
  );
  assert.deepEqual(asked, [['aa']]);
  const filter = message(ContainerStatsFilter, { id: 'bb' });
  assert.deepEqual(await served.runtime.listContainerStats({ filter }), { stats: [] });
  const { stats: one } = await served.runtime.containerStats({ containerId: 'bb' });
  assert.deepEqual([one?.attributes?.id, one?.cpu], ['bb', undefined]);
});

test('one that ends while others are looked at is left out', async () => {
  const rows = ['aa', 'bb'].map((id) => podContainerRow({ id }, {}, { state: running() }));
  const usage = (id: string) => (id === 'bb' ? { at: 1 } : undefined);
  await using served = await ServedCri.open({
    containers: { list: () => rows.map((row) => viewOf(row)), usage },
    imageStorage,
  });
  const { stats } = await served.runtime.listContainerStats(message(ListContainerStatsRequest));
  assert.deepEqual(
    stats.map(({ attributes }) => attributes?.id),
    ['bb'],
  );
});

test('statistics of pods have those of their own containers with them', async () => {
  const [one, two, stopped] = [podRow({ id: 'p1' }), podRow({ id: 'p2', labels: { a: 'b' } }), podRow({ id: 'p3' })];
  const rows = [
    podContainerRow({ id: 'c1', sandboxId: 'p1' }, {}, { state: running() }),
    podContainerRow({ id: 'c2', sandboxId: 'p2' }, {}, { state: running() }),
  ];
  const usages = async (ids?: ReadonlySet<string>) =>
    new Map(['p1', 'p2'].filter((id) => ids?.has(id) ?? true).map((id) => [id, sandboxUsage()]));
  await using served = await ServedCri.open({
    sandboxes: { list: () => [one, two, stopped].map((row) => ({ row })), usages },
    containers: { list: () => rows.map((row) => viewOf(row)), usage: () => ({ at: 1 }) },
    imageStorage,
  });

  const list = async (filter?: PodSandboxStatsFilter) => {
    const { stats } = await served.runtime.listPodSandboxStats(message(ListPodSandboxStatsRequest, { filter }));
    return stats.map(({ attributes, linux }) => [attributes?.id, linux?.containers.map((each) => each.attributes?.id)]);
  };
  assert.deepEqual(await list(), [
    ['p1', ['c1']],
    ['p2', ['c2']],
  ]);
  assert.deepEqual(await list(message(PodSandboxStatsFilter, { labelSelector: { a: 'b' } })), [['p2', ['c2']]]);
  assert.deepEqual(await list(message(PodSandboxStatsFilter, { id: 'p3' })), []);
  const { stats } = await served.runtime.podSandboxStats({ podSandboxId: 'p3' });
  assert.deepEqual([stats?.attributes?.id, stats?.linux], ['p3', undefined], 'a stopped pod uses nothing');
  await assert.rejects(served.runtime.podSandboxStats({ podSandboxId: 'nobody' }), { code: 5 });
});
