import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Pace } from '../../src/base/pace.ts';
import { countOpenFiles, readDescriptorLimit } from '../../src/linux/process-files.ts';

/** A process with as many more open files, and three sockets: two that listen, and its output, which Node makes one. */
async function openerOf(files: number): Promise<ChildProcess> {
  const script = `
    const { openSync } = require('node:fs');
    for (let i = 0; i < ${files}; i += 1) openSync('/dev/null', 'r');
    const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
      require('node:net').createServer().listen(0, '127.0.0.1', () => process.stdout.write('ready'));
    });
    server.ref();`;
  const child = spawn('prlimit', ['--nofile=8192', process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('descriptors and sockets of processes are counted, each process by itself', async () => {
  const [few, many] = await Promise.all([openerOf(0), openerOf(2_000)]);
  const pids = [few.pid ?? 0, many.pid ?? 0];
  const [one, other, both] = [
    await countOpenFiles(pids.slice(0, 1), new Pace()),
    await countOpenFiles(pids.slice(1), new Pace()),
    await countOpenFiles(pids, new Pace()),
  ];
  await Promise.all([end(few), end(many)]);

  assert.equal(other.descriptors - one.descriptors, 2_000);
  assert.deepEqual([one.sockets, other.sockets, both.sockets], [3, 3, 6]);
  assert.equal(both.descriptors, one.descriptors + other.descriptors);
});

test('the limit of descriptors is that of the process', async () => {
  const child = await openerOf(0);
  assert.equal(readDescriptorLimit(child.pid ?? 0), 8_192);
  await end(child);
  assert.equal(readDescriptorLimit(child.pid ?? 0), undefined);
});

test('a process that has ended has nothing open', async () => {
  const child = spawn('true');
  await once(child, 'exit');
  assert.deepEqual(await countOpenFiles([child.pid ?? 0], new Pace()), { descriptors: 0, sockets: 0 });
});

test('counting many files lets others have their turn', async () => {
  const child = await openerOf(6_000);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const { sockets } = await countOpenFiles([child.pid ?? 0], new Pace());
  clearInterval(timer);
  await end(child);
  assert.equal(sockets, 3);
  assert.ok(turns >= 1, 'nobody had a turn meanwhile');
});
