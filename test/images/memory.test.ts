import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setInterval } from 'node:timers/promises';
import { compress } from '../support/images.ts';
import { tarWithoutEnd } from '../support/tar.ts';
import { openStore } from './store.ts';

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
