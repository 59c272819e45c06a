import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Cgroup } from '../../src/linux/cgroup.ts';
import type { UsageDetails } from '../../src/base/usage.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { readBootId } from '../../src/linux/process.ts';
import { allowance } from '../support/scale.ts';
import { freshCgroup, layouts, removeWhenEmpty, startIn } from '../support/process-in-cgroup.ts';

for (const layout of layouts) {
  test(`a cgroup tells what its processes have used (${layout.mode})`, async () => {
    const cgroup = freshCgroup(layout);
    assert.equal(cgroup.usage(), undefined);
    const work = 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; a=$(head -c 20000000 /dev/zero | tr "\\0" x)';
    const { child } = await startIn(cgroup, `${work}; sleep 1000 & echo going; wait`, layout);

    const usage = cgroup.usage();
    cgroup.kill(readBootId());
    await once(child, 'exit');
    await removeWhenEmpty(cgroup);

    assert.ok(usage);
    assert.equal(usage.processes, 2);
    assert.ok((usage.cpuNs ?? 0) > 10_000_000, `${usage.cpuNs} ns`);
    assert.ok((usage.rssBytes ?? 0) > 20_000_000, `${usage.rssBytes} bytes`);
    assert.ok((usage.workingSetBytes ?? 0) >= (usage.rssBytes ?? 0));
    assert.ok((usage.usageBytes ?? 0) >= (usage.workingSetBytes ?? 0));
    assert.ok((usage.pageFaults ?? 0) > 1_000);
    assert.equal(usage.limitBytes, undefined);
    assert.equal(cgroup.usage(), undefined);
  });
}

test('reading what a cgroup has used takes well under a millisecond', async (t) => {
  const cgroup = freshCgroup();
  const { child } = await startIn(cgroup);
  const took = Array.from({ length: 50 }, () => {
    const begunAt = performance.now();
    cgroup.usage();
    return performance.now() - begunAt;
  }).toSorted((a, b) => a - b);
  cgroup.kill(readBootId());
  await once(child, 'exit');
  await removeWhenEmpty(cgroup);
  t.diagnostic(`median ${took[25]?.toFixed(3)} ms`);
  assert.ok((took[0] ?? Infinity) < allowance(5));
});

const V1_CONTROLLERS = ['cpu', 'cpuacct', 'memory', 'pids', 'blkio', 'hugetlb'];

/** A cgroup of a host with other mounts. */
function cgroupOf<T>(
  mode: CgroupLayout['mode'],
  files: Readonly<Record<string, string>>,
  look: (cgroup: Cgroup) => T,
): T {
  const root = mkdtempSync(join(tmpdir(), 'bcu-'));
  try {
    for (const [name, text] of Object.entries({ 'unified/c/cgroup.procs': '', ...files })) {
      mkdirSync(dirname(`${root}/${name}`), { recursive: true });
      writeFileSync(`${root}/${name}`, text);
    }
    const controllers = new Map(mode === 'v2' ? [] : V1_CONTROLLERS.map((name) => [name, `${root}/${name}`]));
    return look(new Cgroup({ mode, unified: `${root}/unified`, controllers }, '/c'));
  } finally {
    rmSync(root, { recursive: true });
  }
}

function usageOf(mode: CgroupLayout['mode'], files: Readonly<Record<string, string>>): object | undefined {
  return cgroupOf(mode, files, (cgroup) => cgroup.usage());
}

test('a v2 cgroup is read from its own files', () => {
  const usage = usageOf('v2', {
    'unified/c/cgroup.procs': '1\n2\n',
    'unified/c/cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n',
    'unified/c/memory.current': '10000\n',
    'unified/c/memory.max': '20000\n',
    'unified/c/memory.swap.current': '300\n',
    'unified/c/memory.swap.max': '400\n',
    'unified/c/memory.stat': 'anon 4000\nfile 6000\ninactive_file 1000\npgfault 70\npgmajfault 7\n',
  });
  assert.deepEqual(usage, {
    cpuNs: 1_500_000,
    usageBytes: 10_000,
    workingSetBytes: 9_000,
    rssBytes: 4_000,
    limitBytes: 20_000,
    pageFaults: 70,
    majorPageFaults: 7,
    swapBytes: 300,
    swapLimitBytes: 400,
    processes: 2,
  });
});

test('no limit is no number, and what is not counted is left out', () => {
  assert.deepEqual(usageOf('v2', { 'unified/c/memory.current': '5\n', 'unified/c/memory.max': 'max\n' }), {
    usageBytes: 5,
    workingSetBytes: 5,
    processes: 0,
  });
  const v1 = usageOf('hybrid', {
    'memory/c/memory.limit_in_bytes': '9223372036854771712\n',
    'memory/c/memory.usage_in_bytes': '100\n',
    'memory/c/memory.stat': 'cache 1\ntotal_rss 10\ntotal_inactive_file 200\n',
    'cpuacct/c/cpuacct.usage': '42\n',
  });
  assert.deepEqual(v1, { cpuNs: 42, usageBytes: 100, workingSetBytes: 0, rssBytes: 10, processes: 0 });
});

test('pressure is read in the v2 tree, also where the controllers are not there', () => {
  const text = 'some avg10=1.50 avg60=0.25 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=56\n';
  const cpu = {
    some: { totalUs: 1_234, avg10: 1.5, avg60: 0.25, avg300: 0 },
    full: { totalUs: 56, avg10: 0, avg60: 0, avg300: 0 },
  };
  for (const mode of ['v2', 'hybrid'] as const) {
    assert.deepEqual(usageOf(mode, { 'unified/c/cpu.pressure': text }), { pressure: { cpu }, processes: 0 });
  }
});

test('a limit of swap is what memory and swap may be beyond memory', () => {
  const limits = (memory: string, both: string): unknown => {
    const files = { 'memory/c/memory.limit_in_bytes': memory, 'memory/c/memory.memsw.limit_in_bytes': both };
    return cgroupOf('hybrid', files, (cgroup) => cgroup.usage()?.swapLimitBytes);
  };
  assert.equal(limits('100\n', '150\n'), 50);
  assert.equal(limits('100\n', '100\n'), 0);
  assert.equal(limits('100\n', '9223372036854771712\n'), undefined);
});

/** What both kinds of cgroup tell of one and the same container. */
const DETAILS: Partial<UsageDetails> = {
  userCpuNs: 1_000_000,
  systemCpuNs: 500_000,
  periods: 10,
  throttledPeriods: 3,
  throttledNs: 7_000,
  cacheBytes: 6_000,
  mappedFileBytes: 2_000,
  kernelBytes: 800,
  mostUsageBytes: 12_000,
  limitHits: 4,
  oomKills: 2,
  threads: 5,
  mostThreads: 50,
};

test('the details of a v2 cgroup are read from its own files', () => {
  const details = cgroupOf(
    'v2',
    {
      'unified/c/cpu.stat':
        'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 10\nnr_throttled 3\nthrottled_usec 7\n',
      'unified/c/memory.stat': 'anon 4000\nfile 6000\nkernel 800\nfile_mapped 2000\n',
      'unified/c/memory.events': 'low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\n',
      'unified/c/memory.peak': '12000\n',
      'unified/c/pids.current': '5\n',
      'unified/c/pids.max': '50\n',
      'unified/c/io.stat': '4000:1 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n4000:2 \n',
      'unified/c/hugetlb.2MB.current': '4096\n',
      'unified/c/hugetlb.2MB.rsvd.current': '1\n',
      'unified/c/hugetlb.2MB.max': 'max\n',
    },
    (cgroup) => cgroup.details(),
  );
  assert.ok(details);
  const { devices, hugepages, cpuNs, rssBytes, processes, ...rest } = details;
  assert.deepEqual(rest, DETAILS);
  assert.deepEqual([cpuNs, rssBytes, processes], [1_500_000, 4_000, 0]);
  assert.deepEqual(devices, [
    { device: '4000:1', major: 4_000, minor: 1, readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 },
  ]);
  assert.deepEqual(hugepages, [{ pageSize: '2MB', bytes: 4_096 }]);
});

test('those of a v1 cgroup are the same, from other files', () => {
  const io = (read: number, write: number): string =>
    `4000:1 Read ${read}\n4000:1 Write ${write}\n4000:1 Sync 9\n4000:1 Total ${read + write}\nTotal ${read + write}\n`;
  const details = cgroupOf(
    'hybrid',
    {
      'cpuacct/c/cpuacct.usage': '1500000\n',
      'cpuacct/c/cpuacct.usage_user': '1000000\n',
      'cpuacct/c/cpuacct.usage_sys': '500000\n',
      'cpu/c/cpu.stat': 'nr_periods 10\nnr_throttled 3\nthrottled_time 7000\n',
      'memory/c/memory.stat': 'cache 1\ntotal_rss 4000\ntotal_cache 6000\ntotal_mapped_file 2000\n',
      'memory/c/memory.kmem.usage_in_bytes': '800\n',
      'memory/c/memory.max_usage_in_bytes': '12000\n',
      'memory/c/memory.failcnt': '4\n',
      'memory/c/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
      'pids/c/pids.current': '5\n',
      'pids/c/pids.max': '50\n',
      'blkio/c/blkio.throttle.io_service_bytes_recursive': io(10, 20),
      'blkio/c/blkio.throttle.io_serviced_recursive': io(1, 2),
      'hugetlb/c/hugetlb.2MB.usage_in_bytes': '4096\n',
      'hugetlb/c/hugetlb.2MB.max_usage_in_bytes': '8192\n',
    },
    (cgroup) => cgroup.details(),
  );
  assert.ok(details);
  const { devices, hugepages, cpuNs, rssBytes, processes, ...rest } = details;
  assert.deepEqual(rest, DETAILS);
  assert.deepEqual([cpuNs, rssBytes, processes], [1_500_000, 4_000, 0]);
  assert.deepEqual(devices, [
    { device: '4000:1', major: 4_000, minor: 1, readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 },
  ]);
  assert.deepEqual(hugepages, [{ pageSize: '2MB', bytes: 4_096, mostBytes: 8_192 }]);
});

test('a kernel that does not add up its own memory is asked for the parts', () => {
  const stat = 'anon 1\nkernel_stack 10\npagetables 20\npercpu 30\nslab 40\n';
  const details = cgroupOf('v2', { 'unified/c/memory.stat': stat }, (cgroup) => cgroup.details());
  assert.equal(details?.kernelBytes, 100);
});
