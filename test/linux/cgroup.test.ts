import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { Pidfd, hasSignal, identify, readBootId, readSignalMasks, readStat } from '../../src/linux/process.ts';
import { makeFreezableFs, untilStuck } from '../support/frozen-fs.ts';
import { COUNTER, freshCgroup, layout, layouts, removeWhenEmpty, startIn } from '../support/process-in-cgroup.ts';

const SIGTERM = 15;
const bootId = readBootId();

function pidfdOf(pid: number): Pidfd {
  const identity = identify(bootId, pid);
  const pidfd = identity === undefined ? undefined : Pidfd.open(identity, bootId);
  assert.ok(pidfd, 'the process runs');
  return pidfd;
}

for (const each of layouts) {
  test(`a signal sent to a frozen process stays pending until the thaw, and is delivered once (${each.mode})`, async () => {
    const cgroup = freshCgroup(each);
    const { child, pid, output } = await startIn(cgroup, COUNTER, each);
    using pidfd = pidfdOf(pid);

    for (let round = 1; round <= 10; round += 1) {
      assert.equal(await cgroup.freeze(1_000), true);
      assert.equal(cgroup.frozenBy(), 'itself');
      assert.equal(hasSignal(readSignalMasks(pidfd.identity.pid)?.pending ?? 0n, SIGTERM), false);
      pidfd.signal(SIGTERM);
      assert.equal(hasSignal(readSignalMasks(pidfd.identity.pid)?.pending ?? 0n, SIGTERM), true);
      await sleepFor(5);
      assert.equal(output().split('TERM').length - 1, round - 1, 'nothing runs while frozen');
      cgroup.thaw();
      await once(child.stdout ?? child, 'data');
      assert.equal(output().split('TERM').length - 1, round);
    }

    cgroup.kill(bootId);
    await once(child, 'exit');
    await removeWhenEmpty(cgroup);
  });

  test(`killing a frozen cgroup ends every process in it and below it (${each.mode})`, async () => {
    const cgroup = freshCgroup(each);
    const { child } = await startIn(cgroup, 'sleep 100 & sleep 100 & echo going; wait', each);
    await cgroup.freeze(1_000);

    cgroup.kill(bootId);

    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGKILL');
    await removeWhenEmpty(cgroup);
    assert.equal(cgroup.exists, false);
  });
}

test('the kill descriptors of a removed cgroup cannot reach its successor', async () => {
  const cgroup = freshCgroup();
  const { child: first } = await startIn(cgroup);
  using old = cgroup.openKillDescriptors();
  cgroup.kill(bootId);
  await once(first, 'exit');
  await removeWhenEmpty(cgroup);
  const { child: successor } = await startIn(cgroup);

  assert.throws(() => writeSync(old.kill ?? -1, '1'), { code: 'ENODEV' });
  if (old.freezer !== undefined) assert.throws(() => writeSync(old.freezer ?? -1, 'THAWED'), { code: 'ENODEV' });

  await sleepFor(20);
  assert.equal(successor.exitCode ?? successor.signalCode, null);
  cgroup.kill(bootId);
  await once(successor, 'exit');
  await removeWhenEmpty(cgroup);
});

test('a frozen ancestor is named and not touched', async () => {
  const ancestor = freshCgroup();
  const cgroup = new Cgroup(layout, `${ancestor.path}/c`);
  const { child } = await startIn(cgroup);
  await ancestor.freeze(1_000);

  cgroup.thaw();

  assert.deepEqual(cgroup.frozenBy(), { ancestor: ancestor.path });
  assert.equal(ancestor.frozenBy(), 'itself');
  ancestor.thaw();
  cgroup.kill(bootId);
  await once(child, 'exit');
  await removeWhenEmpty(ancestor);
});

test('a process that hangs in the kernel cannot be frozen, and is left unfrozen', async () => {
  const cgroup = freshCgroup();
  using fs = makeFreezableFs();
  fs.freeze();
  const { child, pid } = await startIn(cgroup, `echo going; echo x > ${fs.path}/file`);
  await untilStuck(pid);

  assert.equal(await cgroup.freeze(50), false);

  assert.equal(cgroup.frozenBy(), 'nobody');
  cgroup.kill(bootId);
  await sleepFor(100);
  assert.equal(readStat(pid)?.state, 'D', 'SIGKILL cannot end it either');
  fs.thaw();
  await once(child, 'exit');
  await removeWhenEmpty(cgroup);
});
