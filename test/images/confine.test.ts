import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { runConfined } from '../../src/images/confine.ts';
import { Children } from '../../src/linux/children.ts';
import { tarOf } from '../support/tar.ts';
import { mountsBelow } from './store.ts';

interface Cell extends Disposable {
  readonly path: string;
  readonly layer: string;
  readonly rootFolder: string;
}

function makeCell(): Cell {
  const path = mkdtempSync(join(tmpdir(), 'berth-confine-'));
  const cell = { path, layer: join(path, 'layer'), rootFolder: join(path, 'scratch') };
  mkdirSync(cell.layer);
  mkdirSync(cell.rootFolder);
  return { ...cell, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Runs a script that an enemy may have written. Returns what it printed. */
async function runScript(cell: Cell, script: string, signal = new AbortController().signal): Promise<string> {
  let output = '';
  await runConfined(new Children(() => false), {
    rootFolder: cell.rootFolder,
    layer: cell.layer,
    command: ['sh', '-c', `${script}; exit 0`],
    signal,
    onOutput: (chunk) => (output += chunk.toString()),
  });
  return output;
}

test('a confined process sees the layer and programs, and nothing else of the host', async () => {
  using cell = makeCell();

  const seen = await runScript(cell, 'ls -A /; ls -A /layer');

  const names = seen.trim().split('\n');
  assert.ok(names.includes('layer') && names.includes('usr'), seen);
  assert.deepEqual(
    names.filter((name) => !/^(layer|usr|s?bin|lib\w*)$/.test(name)),
    [],
  );
});

for (const [what, script, path] of [
  ['write to the layer', 'echo x >/layer/file', 'layer/file'],
  ['make a device in it', 'mknod /layer/disk b 8 0', 'layer/disk'],
  ['give files away', 'echo x >/layer/given; chown 1000:1000 /layer/given; chmod 6755 /layer/given', 'layer/given'],
] as const) {
  test(`a confined process can ${what}`, async () => {
    using cell = makeCell();

    await runScript(cell, script);

    assert.equal(existsSync(join(cell.path, path)), true);
  });
}

for (const [what, script] of [
  ['write among the programs', 'echo x >/usr/evil && echo done'],
  ['make its programs writable', 'mount -o remount,rw /usr && echo done'],
  ['mount anything', 'mkdir /layer/m; mount -t tmpfs none /layer/m && echo done'],
  ['leave its root', 'mkdir /layer/r; chroot /layer/r true; chroot / true && echo done'],
  ['open a device', 'mknod /layer/null c 1 3; echo x >/layer/null && echo done'],
  ['signal processes of the host', `kill -0 ${process.pid} && echo done`],
] as const) {
  test(`a confined process cannot ${what}`, async () => {
    using cell = makeCell();

    assert.equal(await runScript(cell, `(${script}) 2>/dev/null`), '');
  });
}

test('a confined process cannot set an attribute of overlay', async () => {
  using cell = makeCell();
  const xattrs = { 'trusted.overlay.opaque': 'y', 'user.note': 'x' };

  const { stderr } = await runConfined(new Children(() => false), {
    rootFolder: cell.rootFolder,
    layer: cell.layer,
    command: ['tar', '-xf', '-', '-C', '/layer', '--xattrs', '--xattrs-include=*'],
    signal: new AbortController().signal,
    feed: async (input) => void input.write(tarOf([{ name: 'folder/', xattrs }])),
    onOutput: () => undefined,
  });

  assert.match(stderr, /Cannot set 'trusted.overlay.opaque'/);
  assert.doesNotMatch(stderr, /user.note/);
});

test('what a confined process mounts is never seen by the host, and goes with it', async () => {
  using cell = makeCell();
  const cancel = new AbortController();
  const running = runScript(cell, 'sleep 1000', cancel.signal);
  const failed = assert.rejects(running, { code: 'Cancelled' });

  assert.deepEqual(mountsBelow(cell.path), []);

  cancel.abort();
  await failed;
  assert.deepEqual(readdirSync(cell.rootFolder), []);
});

/** Whether a process has all the words in its command line. */
function hasProcess(...words: string[]): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words.every((word) => args.includes(word));
    } catch {
      return false; // no process, or one that has ended
    }
  });
}

test('a confined process dies with the daemon', async () => {
  using cell = makeCell();
  const program = new URL('./hold-confined.ts', import.meta.url).pathname;
  const daemon = spawn(process.execPath, [program, cell.rootFolder, cell.layer, '987654'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(daemon, 'exit');
  await once(daemon.stdout, 'data');
  while (!hasProcess('sleep', '987654')) await sleepFor(1); // it says so just before it begins

  daemon.kill('SIGKILL');
  await ended;

  while (hasProcess('sleep', '987654')) await sleepFor(1);
});
