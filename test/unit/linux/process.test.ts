import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { detectCgroupLayout } from '../../../src/linux/cgroup-layout.ts';
import { Pidfd, decodeWaitStatus, identify, parseStat, readBootId } from '../../../src/linux/process.ts';

test('a command with blanks and parentheses does not move the fields of its stat', () => {
  const fields = ['S', ...Array.from({ length: 49 }, (_, index) => String(index + 4))].join(' ');
  const stat = parseStat(`4711 (a) b (c) ${fields}`);
  assert.deepEqual(
    [stat.comm, stat.state, stat.parent, stat.session, stat.startTime, stat.waitStatus],
    ['a) b (c', 'S', 4, 6, 22, 52],
  );
});

test('wait statuses tell an exit code from a signal of the same number', () => {
  assert.deepEqual(decodeWaitStatus(137 << 8), { code: 137, signal: undefined });
  assert.deepEqual(decodeWaitStatus(9), { code: 137, signal: 9 });
  assert.deepEqual(decodeWaitStatus(11 | 0x80), { code: 139, signal: 11 });
});

test('an identity whose start time is another process is not opened', async () => {
  const bootId = readBootId();
  const child = spawn('sleep', ['100']);
  const identity = identify(bootId, child.pid ?? 0);
  assert.ok(identity);

  using right = Pidfd.open(identity, bootId);
  assert.ok(right);
  assert.equal(Pidfd.open({ ...identity, startTime: identity.startTime + 1 }, bootId), undefined);
  assert.equal(Pidfd.open({ ...identity, bootId: 'another boot' }, bootId), undefined);

  right.signal(9);
  await once(child, 'exit');
  assert.equal(right.signal(15), false, 'it is gone, and nobody else is hit');
});

test('the leader of a session that lives on after it is gone', async () => {
  const leader = spawn('/bin/sh', ['-c', 'sleep 100 >/dev/null & echo $!; read -r go'], { detached: true });
  const [said] = (await once(leader.stdout, 'data')) as [Buffer];
  const bootId = readBootId();
  const identity = identify(bootId, leader.pid ?? 0);
  assert.ok(identity);
  leader.stdin.end();
  await once(leader, 'exit');

  assert.equal(Pidfd.open(identity, bootId), undefined);

  process.kill(Number(said.toString()), 'SIGKILL');
});

const V2 = '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate';
const MEMORY = '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory';
const CPU = '36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct';
const UNIFIED = '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw';

for (const [mountinfo, mode, unified] of [
  [V2, 'v2', '/sys/fs/cgroup'],
  [[MEMORY, CPU, UNIFIED].join('\n'), 'hybrid', '/sys/fs/cgroup/unified'],
  [[MEMORY, CPU].join('\n'), 'v1', undefined],
] as const) {
  test(`cgroups mounted as ${mode} are seen as that`, () => {
    const layout = detectCgroupLayout(mountinfo);
    assert.equal(layout.mode, mode);
    assert.equal(layout.unified, unified);
    if (mode !== 'v2') assert.equal(layout.controllers.get('cpuacct'), '/sys/fs/cgroup/cpu,cpuacct');
  });
}
