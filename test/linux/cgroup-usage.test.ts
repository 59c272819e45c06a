import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Cgroup } from '../../src/linux/cgroup.ts';
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
  assert.ok((took[0] ?? Infinity) < allowance(1));
});

/** What a cgroup of a host with other mounts would show. */
function usageOf(mode: CgroupLayout['mode'], files: Readonly<Record<string, string>>): object | undefined {
  const root = mkdtempSync(join(tmpdir(), 'bcu-'));
  try {
    for (const [name, text] of Object.entries({ 'unified/c/cgroup.procs': '', ...files })) {
      mkdirSync(dirname(`${root}/${name}`), { recursive: true });
      writeFileSync(`${root}/${name}`, text);
    }
    const controllers = new Map(mode === 'v2' ? [] : ['cpuacct', 'memory'].map((name) => [name, `${root}/${name}`]));
    return new Cgroup({ mode, unified: `${root}/unified`, controllers }, '/c').usage();
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('a v2 cgroup is read from its own files', () => {
  const usage = usageOf('v2', {
    'unified/c/cgroup.procs': '1\n2\n',
    'unified/c/cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n',
    'unified/c/memory.current': '10000\n',
    'unified/c/memory.max': '20000\n',
    'unified/c/memory.swap.current': '300\n',
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
