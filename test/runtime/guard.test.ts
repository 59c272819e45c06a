import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { boottime } from '../../src/linux/abi.ts';
import type { Cgroup } from '../../src/linux/cgroup.ts';
import { Children } from '../../src/linux/children.ts';
import { identify, isRunning, readBootId } from '../../src/linux/process.ts';
import type { ProcessIdentity } from '../../src/base/process-identity.ts';
import { armGuard, cancelGuard, findGuards, readFired, readVerdict } from '../../src/runtime/guard.ts';
import { COUNTER, freshCgroup, layout, layouts, removeWhenEmpty, startIn } from '../support/process-in-cgroup.ts';

const SIGTERM = 15;
const bootId = readBootId();
const children = new Children(() => false);

function makeRunFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'berth-run-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Arms a guard in a process of its own, lets that do the steps, and kills it: the daemon that never comes back. */
async function loseDaemon(
  cgroup: Cgroup,
  folder: string,
  pid: number,
  killIn: string,
  ...steps: string[]
): Promise<void> {
  const program = new URL('../programs/hold-guard.ts', import.meta.url).pathname;
  const mode = cgroup.unified === undefined ? 'v1' : layout.mode;
  const daemon = spawn(process.execPath, [program, cgroup.path, folder, String(pid), killIn, mode, ...steps], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(daemon.stdout, 'data');
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
}

/** Whether a process has all the words in its command line. */
function pgrep(...words: string[]): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words.every((word) => args.includes(word));
    } catch {
      return false; // no process, or one that has ended
    }
  });
}

function helpersOf({ pid }: ProcessIdentity): ProcessIdentity[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  return pids.map((helper) => identify(bootId, helper)).filter((helper) => helper !== undefined);
}

for (const each of layouts) {
  test(`the kill lands on time although the daemon is gone (${each.mode})`, async () => {
    using folder = makeRunFolder();
    const cgroup = freshCgroup(each);
    const { child, pid } = await startIn(cgroup, COUNTER, each);
    const exited = once(child, 'exit').then(() => boottime());
    await loseDaemon(cgroup, folder.path, pid, '1500');
    const lostAt = boottime();

    const tookMs = (await exited) - lostAt;

    assert.ok(tookMs > 500 && tookMs < 1_700, `killed ${tookMs} ms after the daemon's end`);
    assert.ok(Math.abs((readFired(folder.path) ?? 0) - boottime()) < 1_000);
    await removeWhenEmpty(cgroup);
  });
}

for (const { steps, verdict, delivered } of [
  { steps: ['open'], verdict: 'unsent', delivered: 0 },
  { steps: ['open', 'freeze'], verdict: 'unsent', delivered: 0 },
  { steps: ['open', 'freeze', 'send'], verdict: 'sent', delivered: 1 },
  { steps: ['open', 'freeze', 'send', 'thaw', 'close'], verdict: undefined, delivered: 1 },
]) {
  test(`a daemon lost after ${steps.join(', ')} leaves nothing frozen, and the verdict is ${verdict}`, async () => {
    using folder = makeRunFolder();
    const cgroup = freshCgroup();
    const { child, pid, output } = await startIn(cgroup);

    await loseDaemon(cgroup, folder.path, pid, 'never', ...steps);
    while (pgrep('berth-guard', folder.path)) await sleepFor(1);

    assert.equal(readVerdict(folder.path), verdict);
    assert.equal(cgroup.frozenBy(), 'nobody');
    while (output().split('TERM').length - 1 < delivered) await once(child.stdout ?? child, 'data');
    await sleepFor(20);
    assert.equal(output().split('TERM').length - 1, delivered);
    cgroup.kill(bootId);
    await once(child, 'exit');
    await removeWhenEmpty(cgroup);
  });
}

test('a cancelled guard is gone with its helpers and kills nothing', async () => {
  using folder = makeRunFolder();
  const cgroup = freshCgroup();
  const { child, pid } = await startIn(cgroup);
  const init = identify(bootId, pid);
  assert.ok(init);
  using descriptors = cgroup.openKillDescriptors();
  const order = { runFolder: folder.path, killAt: boottime() + 300, init, signal: SIGTERM, descriptors };
  const guard = await armGuard(children, bootId, order);
  const family = [guard.identity, ...helpersOf(guard.identity)];
  assert.ok(family.length > 1);

  await guard.cancel();

  assert.deepEqual(
    family.filter((member) => isRunning(member, bootId)),
    [],
  );
  await sleepFor(400);
  assert.equal(child.exitCode ?? child.signalCode, null);
  cgroup.kill(bootId);
  await once(child, 'exit');
  await removeWhenEmpty(cgroup);
});

test('a guard of an earlier daemon is found by its run folder, and its signal digit is right for every signal', async () => {
  for (const signal of [1, 4, 15, 34, 64]) {
    using folder = makeRunFolder();
    const cgroup = freshCgroup();
    const { child, pid } = await startIn(
      cgroup,
      'trap "" HUP TERM; echo going; while :; do sleep 1000 & wait $!; done',
    );
    const init = identify(bootId, pid);
    assert.ok(init);
    using descriptors = cgroup.openKillDescriptors();
    await armGuard(children, bootId, { runFolder: folder.path, killAt: undefined, init, signal, descriptors });

    const found = findGuards(folder.path, bootId);
    for (const guard of found) await cancelGuard(guard, bootId);

    assert.equal(found.length, 1);
    assert.deepEqual(findGuards(folder.path, bootId), []);
    assert.equal(pgrep('berth-guard', folder.path), false);
    cgroup.kill(bootId);
    await once(child, 'exit');
    await removeWhenEmpty(cgroup);
  }
});
