import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { Children } from '../../src/linux/children.ts';
import { ProcessWatch } from '../../src/linux/process-watch.ts';
import { identify, readBootId, readStat } from '../../src/linux/process.ts';
import { killSession } from '../../src/linux/sessions.ts';

const bootId = readBootId();

test('children that are watched as well are still reported by Node, so that it lets go of their numbers', async () => {
  await using processes = new ProcessWatch(bootId, () => children.reapAdopted());
  const children: Children = new Children((pid) => processes.isWatching(pid));
  using _ = children.adoptOrphans();

  const exits = Array.from({ length: 200 }, async () => {
    const child = children.spawn('/bin/sh', ['-c', 'sleep 0.01']);
    const identity = identify(bootId, child.pid ?? 0);
    using watch = identity === undefined ? undefined : processes.watch(identity);
    const [code] = (await once(child, 'exit')) as [number];
    await watch?.ended;
    return code;
  });

  assert.deepEqual(new Set(await Promise.all(exits)), new Set([0]));
});

test('a process whose parent died is reaped, and its wait status is told first if somebody watches it', async () => {
  await using processes = new ProcessWatch(bootId, () => children.reapAdopted());
  const children: Children = new Children((pid) => processes.isWatching(pid));
  using _ = children.adoptOrphans();
  const parent = children.spawn('/bin/sh', ['-c', '(sleep 0.3; exit 7) & echo $!; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  assert.ok(parent.stdout);
  const [said] = (await once(parent.stdout, 'data')) as [Buffer];
  const orphan = identify(bootId, Number(said.toString()));
  assert.ok(orphan);
  using watch = processes.watch(orphan);
  parent.kill('SIGKILL');
  await once(parent, 'exit');

  const end = await watch?.ended;

  assert.equal(end?.waitStatus, 7 << 8);
  while (readStat(orphan.pid) !== undefined) await sleepFor(1);
  assert.equal(readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim(), '');
});

test('a command is run to its end, whatever its code', async () => {
  const children = new Children(() => false);
  const result = await children.run('/bin/sh', ['-c', 'cat; echo oops >&2; exit 3'], {
    deadlineMs: 5_000,
    input: 'hello',
  });
  assert.deepEqual(result, { code: 3, stdout: 'hello', stderr: 'oops\n' });
});

test('a command sees nothing of the environment and the folder of this process', async () => {
  process.env['SECRET'] = 'x';
  const { stdout } = await new Children(() => false).run('/bin/sh', ['-c', 'echo "$SECRET$TZ $PWD"'], {
    deadlineMs: 5_000,
  });
  delete process.env['SECRET'];
  assert.equal(stdout, 'UTC /\n');
});

test('a command that takes too long, is aborted, or is not there', async () => {
  const children = new Children(() => false);
  const begunAt = performance.now();
  await assert.rejects(children.run('sleep', ['100'], { deadlineMs: 100 }), {
    code: 'DeadlineExceeded',
    message: /"sleep": no answer within 100 ms/,
  });
  assert.ok(performance.now() - begunAt < 1_000);
  const abort = new AbortController();
  const aborted = children.run('sleep', ['100'], { deadlineMs: 10_000, signal: abort.signal });
  abort.abort();
  await assert.rejects(aborted, { code: 'Cancelled' });
  await assert.rejects(children.run('no-such-program', [], { deadlineMs: 1_000 }), {
    code: 'Unavailable',
    message: /Cannot start "no-such-program"/,
  });
});

test('what a command prints beyond the limit is read and dropped', async () => {
  const { stdout } = await new Children(() => false).run('head', ['-c', '1000000', '/dev/zero'], {
    deadlineMs: 5_000,
    limitBytes: 10,
  });
  assert.equal(stdout.length, 10);
});

/** Processes that have `mark` in their command line, by number. */
function marked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

async function untilGone(mark: string): Promise<void> {
  while (marked(mark).length > 0) await sleepFor(5);
}

test('a command with a session of its own takes what it started with it, when it is too slow or aborted', async () => {
  const children = new Children(() => false);
  using _ = children.adoptOrphans();
  const script = 'sleep 4711.1 & (sleep 4711.2 & sleep 4711.3) & wait';
  const begunAt = performance.now();
  const slow = children.run('/bin/sh', ['-c', script], { deadlineMs: 300, ownSession: true });
  await assert.rejects(slow, { code: 'DeadlineExceeded' });
  await untilGone('4711');
  const abort = new AbortController();
  const aborted = children.run('/bin/sh', ['-c', script], {
    deadlineMs: 60_000,
    ownSession: true,
    signal: abort.signal,
  });
  while (marked('4711').length < 4) await sleepFor(5); // the shell and its three sleeps
  abort.abort();
  await assert.rejects(aborted, { code: 'Cancelled' });
  await untilGone('4711');
  assert.ok(performance.now() - begunAt < 10_000);
});

test('a command that has ended is not waited for because what it left behind holds its output', async () => {
  const children = new Children(() => false);
  using _ = children.adoptOrphans();
  const begunAt = performance.now();
  const { code, stdout } = await children.run('/bin/sh', ['-c', 'sleep 4712 & echo said; exit 3'], {
    deadlineMs: 60_000,
    ownSession: true,
  });
  assert.deepEqual([code, stdout], [3, 'said\n']);
  await untilGone('4712');
  assert.ok(performance.now() - begunAt < 10_000);
});

test('a number that has become that of another process is not killed for its earlier owner', async () => {
  const child = new Children(() => false).spawn('sleep', ['100'], { detached: true });
  const identity = identify(bootId, child.pid ?? 0);
  assert.ok(identity);
  assert.equal(killSession({ ...identity, startTime: identity.startTime - 1 }), 0);
  assert.equal(child.exitCode, null);
  assert.equal(killSession(identity), 1);
  await once(child, 'exit');
});
