import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resources } from '../../../src/engine/container/spec.ts';
import { limitWrites } from '../../../src/runtime/limit-writes.ts';
import type { LimitContext } from '../../../src/runtime/limit-writes.ts';

const v1: LimitContext = { isV1: () => true, below: [], cpus: '0-3', mems: '0' };
const v2: LimitContext = { isV1: () => false, below: [], cpus: '0-3', mems: '0' };

/** `file=value`, with the cgroup below before it. */
function writesOf(from: Resources, to: Resources, context: LimitContext): string[] {
  return limitWrites(from, to, context).map(
    ({ file, value, below }) => `${below === undefined ? '' : `${below}/`}${file}=${value}`,
  );
}

type Row = readonly [string, Resources, Resources, readonly string[], readonly string[]];

/** From, to, and what is written with v1 and with v2, in this order. */
const ROWS: readonly Row[] = [
  ['what stays is not written', { memoryBytes: 5, cpuShares: 2 }, { memoryBytes: 5, cpuShares: 2 }, [], []],
  [
    'both limits of memory up: the outer one first',
    { memoryBytes: 64, memorySwapBytes: 64 },
    { memoryBytes: 128, memorySwapBytes: 128 },
    ['memory.memsw.limit_in_bytes=128', 'memory.limit_in_bytes=128'],
    ['memory.max=128'],
  ],
  [
    'both down: the inner one first',
    { memoryBytes: 128, memorySwapBytes: 128 },
    { memoryBytes: 64, memorySwapBytes: 64 },
    ['memory.limit_in_bytes=64', 'memory.memsw.limit_in_bytes=64'],
    ['memory.max=64'],
  ],
  [
    'memory up, swap down',
    { memoryBytes: 64, memorySwapBytes: 200 },
    { memoryBytes: 128, memorySwapBytes: 150 },
    ['memory.limit_in_bytes=128', 'memory.memsw.limit_in_bytes=150'],
    ['memory.max=128', 'memory.swap.max=22'],
  ],
  [
    'memory down, swap up: there is room in swap before memory is short',
    { memoryBytes: 128, memorySwapBytes: 128 },
    { memoryBytes: 64, memorySwapBytes: 256 },
    ['memory.memsw.limit_in_bytes=256', 'memory.limit_in_bytes=64'],
    ['memory.swap.max=192', 'memory.max=64'],
  ],
  [
    'a first limit',
    {},
    { memoryBytes: 64, memorySwapBytes: 64 },
    ['memory.limit_in_bytes=64', 'memory.memsw.limit_in_bytes=64'],
    ['memory.max=64', 'memory.swap.max=0'],
  ],
  [
    'no limit any more',
    { memoryBytes: 64, memorySwapBytes: 64 },
    {},
    ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=-1'],
    ['memory.swap.max=max', 'memory.max=max'],
  ],
  [
    'unlimited swap',
    { memoryBytes: 64, memorySwapBytes: 64 },
    { memoryBytes: 64, memorySwapBytes: -1 },
    ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=64'],
    ['memory.swap.max=max', 'memory.max=64'],
  ],
  [
    'a quota with the same period',
    { cpuQuotaUs: 50_000 },
    { cpuQuotaUs: 20_000 },
    ['cpu.cfs_quota_us=20000', 'cpu.cfs_period_us=100000'],
    ['cpu.max=20000 100000'],
  ],
  [
    'a longer period comes before its quota',
    { cpuQuotaUs: 20_000, cpuPeriodUs: 50_000 },
    { cpuQuotaUs: 40_000, cpuPeriodUs: 100_000 },
    ['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=40000'],
    ['cpu.max=40000 100000'],
  ],
  [
    'a shorter one after it',
    { cpuQuotaUs: 40_000, cpuPeriodUs: 100_000 },
    { cpuQuotaUs: 20_000, cpuPeriodUs: 50_000 },
    ['cpu.cfs_quota_us=20000', 'cpu.cfs_period_us=50000'],
    ['cpu.max=20000 50000'],
  ],
  [
    'no quota any more',
    { cpuQuotaUs: 40_000 },
    { cpuQuotaUs: -1 },
    ['cpu.cfs_quota_us=-1', 'cpu.cfs_period_us=100000'],
    ['cpu.max=max 100000'],
  ],
  [
    "processors' worth",
    { cpus: 0.5 },
    { cpus: 1.5 },
    ['cpu.cfs_quota_us=150000', 'cpu.cfs_period_us=100000'],
    ['cpu.max=150000 100000'],
  ],
  ['the same in other words is the same', { cpus: 0.5 }, { cpuQuotaUs: 50_000 }, [], []],
  ['shares: those of v2 are left to the runtime', { cpuShares: 2 }, { cpuShares: 512 }, ['cpu.shares=512'], []],
  [
    'processors and memory nodes',
    { cpusetCpus: '0-1' },
    { cpusetCpus: '2-3', cpusetMems: '0' },
    ['cpuset.cpus=2-3', 'cpuset.mems=0'],
    ['cpuset.cpus=2-3', 'cpuset.mems=0'],
  ],
  ['processes', { pids: 10 }, { pids: 20 }, ['pids.max=20'], ['pids.max=20']],
  ['any number of them', { pids: 10 }, { pids: -1 }, ['pids.max=max'], ['pids.max=max']],
  [
    'huge pages, those that change',
    { hugepageBytes: { '2MB': 4, '1GB': 0 } },
    { hugepageBytes: { '2MB': 8, '1GB': 0 } },
    ['hugetlb.2MB.limit_in_bytes=8'],
    ['hugetlb.2MB.max=8'],
  ],
  [
    'files by their names',
    { unified: { 'memory.high': '5' } },
    { unified: { 'memory.high': '6', 'memory.low': '1' } },
    ['memory.high=6', 'memory.low=1'],
    ['memory.high=6', 'memory.low=1'],
  ],
];

for (const [name, from, to, withV1, withV2] of ROWS) {
  test(`limits move in an order that the kernel takes: ${name}`, () => {
    assert.deepEqual(writesOf(from, to, v1), withV1);
    assert.deepEqual(writesOf(from, to, v2), withV2);
  });
}

test('commands that run in the container move with it, where their set has to be within its', () => {
  const context = { ...v1, below: ['exec-1', 'exec-2'], cpus: '0-1' };
  assert.deepEqual(writesOf({ cpusetCpus: '0-1' }, { cpusetCpus: '2' }, context), [
    'cpuset.cpus=0-1,2',
    'exec-1/cpuset.cpus=2',
    'exec-2/cpuset.cpus=2',
    'cpuset.cpus=2',
  ]);
  assert.deepEqual(writesOf({}, { cpusetCpus: '2' }, { ...v2, below: ['exec-1'] }), ['cpuset.cpus=2']);
});
