import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setInterval } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FakeRegistry } from '../support/fake-registry.ts';
import { compress } from '../support/images.ts';
import { tarWithoutEnd } from '../support/tar.ts';
import { openStore } from './store.ts';

const run = promisify(execFile);
const FILE_BYTES = 300 << 20;
const MOST_GROWTH_BYTES = 120 << 20;

const block = crypto.getRandomValues(Buffer.alloc(65_536));

/** One large file, made while it is sent: in pieces that are gzip streams of their own when `pack` makes them so. */
async function* largeRoot(pack: (content: Buffer) => Buffer): AsyncGenerator<Buffer> {
  yield pack(tarWithoutEnd([{ name: 'large', claimedSize: FILE_BYTES }]));
  const piece = pack(block);
  for (let sent = 0; sent < FILE_BYTES; sent += block.length) yield Buffer.from(piece);
}

for (const [what, pack] of [
  ['plain', (content: Buffer) => content],
  ['compressed', (content: Buffer) => compress(content, 'gzip')],
] as const) {
  test(`memory does not grow with a layer of 300 MB, ${what}`, async () => {
    await using store = await openStore();
    const before = process.memoryUsage.rss();
    let peak = before;
    const watching = new AbortController();
    const watch = (async () => {
      for await (const _ of setInterval(20, undefined, { signal: watching.signal })) {
        peak = Math.max(peak, process.memoryUsage.rss());
      }
    })();

    await store.load(largeRoot(pack), { name: 'large' });

    watching.abort();
    await assert.rejects(watch, { name: 'AbortError' });
    const growth = peak - before;
    assert.ok(growth < MOST_GROWTH_BYTES, `grew by ${Math.round(growth / 1e6)} MB`);
  });
}

test('a pull of large layers takes little memory, and never keeps the daemon from other things for long', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const layers = ['a', 'b'].map((name) => {
    const content = Buffer.alloc(150 << 20);
    for (let at = 0; at < content.length; at += block.length) block.copy(content, at);
    return [{ name, content }];
  });
  registry.push('large', '1', { layers, compression: 'zstd' });
  const program = new URL('./pull-name.ts', import.meta.url).pathname;

  const args = [program, store.root, store.options.runRoot, `${registry.host}/large:1`];
  const { stdout } = await run(process.execPath, args, { encoding: 'utf8' });

  const [, grown = Infinity, blocked = Infinity] = /grown (\d+) blocked (\d+)/.exec(stdout) ?? [];
  assert.ok(Number(grown) < MOST_GROWTH_BYTES, `grew by ${Math.round(Number(grown) / 1e6)} MB`);
  assert.ok(Number(blocked) < 500, `blocked for ${blocked} ms`);
});
