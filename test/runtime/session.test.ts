import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { identify, readBootId, readStat } from '../../src/linux/process.ts';
import { endSession } from '../../src/runtime/session.ts';

const bootId = readBootId();

/** Those that run; who reaps the others is not of interest here. */
function runningIn(session: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      const stat = Number.isNaN(pid) ? undefined : readStat(pid);
      return stat?.session === session && stat.state !== 'Z';
    });
}

test('all of a session ends, and its end is waited for', async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 1000 & (sleep 1000 &); echo going; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  const leader = identify(bootId, child.pid ?? 0);
  assert.ok(leader);
  assert.equal(runningIn(leader.pid).length, 3);
  const exited = once(child, 'exit');

  await endSession(leader);

  assert.deepEqual(runningIn(leader.pid), []);
  await exited;
  await endSession(leader);
});

test('a session whose number means another one by now is left alone', async () => {
  const child = spawn('/bin/sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const other = identify(bootId, child.pid ?? 0);
  assert.ok(other);

  await endSession({ ...other, startTime: other.startTime - 1 });

  assert.deepEqual(runningIn(other.pid), [other.pid]);
  child.kill('SIGKILL');
  await once(child, 'exit');
});
