import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeRegistry } from '../support/fake-registry.ts';
import { makeOciArchive, makeRootArchive } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { NOTHING, inChunks, openStore, untilClean } from './store.ts';

/** Sends the archive's beginning and then nothing more. */
async function* stalled(archive: Buffer, onStall: () => void): AsyncGenerator<Buffer> {
  yield* inChunks(archive.subarray(0, archive.length / 2));
  onStall();
  await new Promise(() => undefined);
}

const LAYERS: TestImage = { names: ['app'], layers: [{ a: 'x'.repeat(200_000) }, { b: 'y'.repeat(200_000) }] };

for (const [what, archive] of [
  ['an archive of images', makeOciArchive([LAYERS])],
  ['the files of a root', makeRootArchive({ a: 'x'.repeat(200_000) })],
  ['compressed files of a root', makeRootArchive([{ name: 'a', content: randomBytes(500_000) }], 'gzip')],
] as const) {
  test(`an import of ${what} that is aborted while nothing comes leaves nothing`, async () => {
    await using store = await openStore();
    const cancel = new AbortController();

    const loading = store.load(
      stalled(archive, () => cancel.abort()),
      { name: 'app', signal: cancel.signal },
    );

    await assert.rejects(loading, { code: 'Cancelled' });
    assert.deepEqual(store.census(), NOTHING);
    assert.deepEqual(store.images.list(), []);
  });
}

test('an import that is aborted while it unpacks leaves nothing', async () => {
  await using store = await openStore();
  const cancel = new AbortController();

  const loading = store.load(makeOciArchive([LAYERS]), {
    signal: cancel.signal,
    onProgress: ({ step }) => step === 'layer' && cancel.abort(),
  });

  await assert.rejects(loading, { code: 'Cancelled' });
  assert.deepEqual(store.census(), NOTHING);
});

test('an import that is aborted before it begins reads nothing', async () => {
  await using store = await openStore();

  await assert.rejects(store.load(makeOciArchive([LAYERS]), { signal: AbortSignal.abort() }), { code: 'Cancelled' });

  assert.deepEqual(store.census(), NOTHING);
});

test('an aborted import does not keep another one from unpacking the same layer', async () => {
  await using store = await openStore();
  const zeros = [{ name: 'zeros', content: Buffer.alloc(64 << 20) }];
  const archive = makeOciArchive([{ layers: [zeros], compression: 'gzip' }]);
  const cancel = new AbortController();
  const isUnpacking = Promise.withResolvers<void>();
  const first = store.load(archive, {
    signal: cancel.signal,
    onProgress: ({ step }) => step === 'layer' && isUnpacking.resolve(),
  });
  await isUnpacking.promise;

  const second = store.load(archive, {
    onProgress: ({ step, bytes }) => step === 'receiving' && bytes === archive.length && cancel.abort(),
  });

  await assert.rejects(first, { code: 'Cancelled' });
  await second;
  assert.deepEqual(store.census(), { staged: [], blobs: 3, layers: 1, mounts: [] });
});

test('a source that fails fails the import with its own error', async () => {
  await using store = await openStore();
  async function* failing(): AsyncGenerator<Buffer> {
    yield* inChunks(makeOciArchive([LAYERS]).subarray(0, 50_000));
    throw new Error('connection lost');
  }

  await assert.rejects(store.load(failing()), /connection lost/);

  assert.deepEqual(store.census(), NOTHING);
});

test('what a crash left half done is removed at the next open, and the rest is kept', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([LAYERS]));
  const snapshots = `${store.root}/snapshots`;
  const lost = `${store.options.runRoot}/tmp-mounts/lost`;
  mkdirSync(`${store.root}/images/staging/half`);
  writeFileSync(`${store.root}/images/staging/half/0`, 'x');
  writeFileSync(`${store.root}/images/blobs/sha256/${'0'.repeat(64)}`, 'x');
  mkdirSync(`${snapshots}/staging/half/layer/deep`, { recursive: true });
  mkdirSync(`${snapshots}/l/${'0'.repeat(26)}/without-record`, { recursive: true });
  writeFileSync(`${snapshots}/l/${'1'.repeat(26)}.json`, '{"chainId":"sha256:1","diffId":"","hidesLower":false}');
  writeFileSync(`${snapshots}/l/${'2'.repeat(26)}.json`, '{"chain');
  mkdirSync(lost);
  execFileSync('mount', ['-t', 'tmpfs', 'none', lost]);

  const images = await store.reopen();

  assert.deepEqual(store.census().mounts, []);
  assert.equal(existsSync(lost), false);
  await untilClean(store, { staged: [], blobs: 4, layers: 2, mounts: [] });
  assert.equal(readdirSync(`${snapshots}/l`).length, 2 + 2 * 2);
  assert.equal(images.list().length, 1);
});

test('a daemon that is killed while it unpacks leaves nothing that the next one does not remove', async () => {
  await using store = await openStore();
  const archive = join(store.options.runRoot, 'archive.tar');
  writeFileSync(
    archive,
    makeOciArchive([{ ...LAYERS, layers: [[{ name: 'zeros', content: Buffer.alloc(64 << 20) }]] }]),
  );
  const program = new URL('./import-file.ts', import.meta.url).pathname;
  const daemon = spawn(process.execPath, [program, store.root, store.options.runRoot, archive], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(daemon.stdout, 'data'); // it says so when the first bytes are unpacked
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  assert.notDeepEqual(store.census(), NOTHING);

  const images = await store.reopen();

  await untilClean(store, NOTHING);
  assert.deepEqual(images.list(), []);
});

for (const step of ['downloading', 'unpacking'] as const) {
  test(`a daemon that is killed while it is ${step} what it pulls leaves nothing that the next one does not remove`, async () => {
    await using registry = await FakeRegistry.open();
    await using store = await openStore();
    const layers = [[{ name: 'zeros', content: Buffer.alloc(64 << 20) }], { other: 'x' }];
    registry.push('app', '1', { layers, compression: step === 'unpacking' ? 'gzip' : 'none' });
    const program = new URL('./pull-name.ts', import.meta.url).pathname;
    const name = `${registry.host}/app:1`;
    const daemon = spawn(process.execPath, [program, store.root, store.options.runRoot, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of daemon.stdout) {
      said += String(chunk);
      if (said.includes(step)) break;
    }
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    assert.notDeepEqual(store.census(), NOTHING);

    const images = await store.reopen();

    await untilClean(store, NOTHING);
    assert.deepEqual(images.list(), []);
    const { id } = await store.pull(name, { from: images });
    assert.equal(images.find(name).id, id);
  });
}

test('an index that cannot be read is put aside, and nothing that it may have named is removed', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([LAYERS]));
  writeFileSync(`${store.root}/images/index.json`, '{"manif');

  const images = await store.reopen();

  assert.deepEqual(images.list(), []);
  assert.equal(existsSync(`${store.root}/images/index.json.unreadable`), true);
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

test('an image with a damaged document is left out, and can be imported again', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([LAYERS]);
  const [image] = await store.load(archive);
  const config = image?.id.slice('sha256:'.length) ?? '';
  writeFileSync(`${store.root}/images/blobs/sha256/${config}`, '{}');

  const images = await store.reopen();
  assert.deepEqual(images.list(), []);
  const content = inChunks(archive);
  await images.import({ content, signal: new AbortController().signal, onProgress: () => undefined });

  assert.deepEqual(
    images.list().map(({ names }) => names),
    [['docker.io/library/app:latest']],
  );
});

/** A file system of 32 MiB. */
function makeSmallDisk(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'berth-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'none', path]);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['-l', path]);
      rmSync(path, { recursive: true });
    },
  };
}

const NOISE = [{ name: 'big', content: randomBytes(40 << 20) }];
const ZEROS = [{ name: 'big', content: Buffer.alloc(40 << 20) }];

for (const [what, archive] of [
  ['received as blobs', makeOciArchive([{ layers: [NOISE] }])],
  ['received as one root', makeRootArchive(NOISE)],
  ['received as one compressed root', makeRootArchive(NOISE, 'zstd')],
  ['unpacked', makeOciArchive([{ layers: [ZEROS], compression: 'gzip' }])],
] as const) {
  test(`an archive that fills the disk while it is ${what} leaves nothing, and what was there works`, async () => {
    using disk = makeSmallDisk();
    await using store = await openStore({ root: disk.path });
    const [kept] = await store.load(makeOciArchive([{ names: ['kept'], layers: [{ a: 'x' }] }]));
    const before = store.census();

    const loading = store.load(archive, { name: 'big' });

    await assert.rejects(loading, { code: 'ResourceExhausted' });
    assert.deepEqual(store.census(), before);
    assert.equal(store.images.list().length, 1);
    await store.images.withImage(kept?.id ?? '', (rootfs) =>
      Promise.resolve(assert.deepEqual(readdirSync(rootfs), ['a'])),
    );
  });
}

for (const [what, image] of [
  ['downloads', { layers: [NOISE] }],
  ['unpacks', { layers: [ZEROS], compression: 'gzip' }],
] as const) {
  test(`a pull that fills the disk while it ${what} leaves nothing, and what was there works`, async () => {
    using disk = makeSmallDisk();
    await using registry = await FakeRegistry.open();
    await using store = await openStore({ root: disk.path });
    registry.push('kept', '1', { layers: [{ a: 'x' }] });
    registry.push('big', '1', image);
    const kept = await store.pull(`${registry.host}/kept:1`);
    const before = store.census();
    const storage = await store.images.storage();

    await assert.rejects(store.pull(`${registry.host}/big:1`), {
      code: 'ResourceExhausted',
      message: /disk is full/,
    });

    assert.deepEqual(store.census(), before);
    assert.deepEqual(await store.images.storage(), storage);
    assert.equal(store.images.list().length, 1);
    await store.images.withImage(kept.id, (rootfs) => Promise.resolve(assert.deepEqual(readdirSync(rootfs), ['a'])));
  });
}

test('an archive with more files than the disk has inodes is refused as too much', async () => {
  using disk = makeSmallDisk();
  execFileSync('mount', ['-o', 'remount,nr_inodes=200', disk.path]);
  await using store = await openStore({ root: disk.path });
  const layer = Array.from({ length: 500 }, (_, index) => ({ name: `file-${index}` }));

  await assert.rejects(store.load(makeOciArchive([{ layers: [layer] }])), { code: 'ResourceExhausted' });

  assert.deepEqual(store.census(), NOTHING);
});
