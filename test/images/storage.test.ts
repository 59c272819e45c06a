import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Images } from '../../src/engine/ports.ts';
import { Children } from '../../src/linux/children.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { makeOciArchive } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { openStore } from './store.ts';
import type { TestStore } from './store.ts';

const NOISE = randomBytes(150_000);
const APP: TestImage = {
  names: ['app'],
  layers: [
    [
      { name: 'noise', content: NOISE },
      { name: 'same', type: 'link', link: 'noise' },
      ...Array.from({ length: 30 }, (_, index) => ({ name: `folder/${index}`, content: 'x' })),
    ],
    { other: 'y'.repeat(20_000) },
  ],
  compression: 'gzip',
};

/** What the disk says that blobs and layers take. */
function onDisk({ root }: TestStore): { readonly usedBytes: number; readonly usedInodes: number } {
  const layers = readdirSync(`${root}/snapshots/l`).filter((name) => !/^(empty|padding)$|\.json$/.test(name));
  const blobs = readdirSync(`${root}/images/blobs/sha256`).map((name) => `${root}/images/blobs/sha256/${name}`);
  const paths = [...layers.map((name) => `${root}/snapshots/l/${name}`), ...blobs];
  const total = (unit: string): number => {
    if (paths.length === 0) return 0;
    const output = execFileSync('du', ['--summarize', unit, ...paths], { encoding: 'utf8' });
    return output.split('\n').reduce((sum, line) => sum + Number(line.split('\t')[0] ?? 0), 0);
  };
  return { usedBytes: total('--block-size=1'), usedInodes: total('--inodes') };
}

async function storageOf(images: Images): Promise<ReturnType<typeof onDisk>> {
  const { usedBytes, usedInodes } = await images.storage();
  return { usedBytes, usedInodes };
}

test('what images take is what the disk says, as they come and go', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const seen: { readonly usedBytes: number; readonly usedInodes: number }[] = [];
  const look = async (): Promise<void> => {
    const storage = await storageOf(store.images);
    assert.deepEqual(storage, onDisk(store));
    assert.deepEqual(await storageOf(await store.reopen()), storage, 'the next daemon knows it too');
    seen.push(storage);
  };

  await look();
  await store.load(makeOciArchive([APP]));
  await look();
  registry.push('app', '1', { ...APP, compression: 'none' });
  await store.pull(`${registry.host}/app:1`);
  registry.push('more', '1', { layers: [...APP.layers, { more: 'z' }] });
  const more = await store.pull(`${registry.host}/more:1`);
  await look();
  await store.images.removeAll(more.id);
  await look();
  await store.images.prune();
  await look();

  const bytes = seen.map(({ usedBytes }) => usedBytes);
  assert.deepEqual([bytes[0], bytes[4]], [0, 0]);
  assert.ok((bytes[1] ?? 0) > 2 * NOISE.length);
  assert.ok((bytes[2] ?? 0) > (bytes[1] ?? 0));
  assert.equal(bytes[3], bytes[1]);
  assert.equal((await store.images.storage()).path, `${store.root}/images`);
});

test('a store of an older version is measured once, and remembers it', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([APP]));
  const records = readdirSync(`${store.root}/snapshots/l`).filter((name) => name.endsWith('.json'));
  for (const name of records) {
    const path = `${store.root}/snapshots/l/${name}`;
    const { usage: _, ...older } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify(older));
  }
  const expected = onDisk(store);

  const reopened = await store.reopen();
  while ((await reopened.storage()).usedBytes !== expected.usedBytes) await sleepFor(1);

  assert.deepEqual(await storageOf(reopened), expected);
  for (const name of records) assert.match(readFileSync(`${store.root}/snapshots/l/${name}`, 'utf8'), /"usage":\{/);
});

test('asking for it looks at no file and starts no process', async (t) => {
  await using store = await openStore();
  await store.load(makeOciArchive([APP]));
  const spawn = t.mock.method(Children.prototype, 'spawn');

  const began = performance.now();
  for (let asked = 0; asked < 1_000; asked += 1) await store.images.storage();

  assert.equal(spawn.mock.callCount(), 0);
  assert.ok(performance.now() - began < 1_000);
});
