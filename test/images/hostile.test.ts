import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { json, makeDockerArchive, makeOciArchive, makeRootArchive, sha256 } from '../support/images.ts';
import type { ArchiveFiles, TestImage } from '../support/images.ts';
import { tarOf } from '../support/tar.ts';
import type { TarMember } from '../support/tar.ts';
import { openStore } from './store.ts';
import type { TestStore } from './store.ts';

const NOTHING = { staged: [], blobs: 0, layers: 0, mounts: [] };

/** Every path below the store, but for what its layers hold. */
function bystanders(store: TestStore): string[] {
  return readdirSync(store.root, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^(snapshots\/l\/.|images\/blobs\/sha256\/.)/.test(path))
    .toSorted();
}

/** A file of the host, next to the layers, that an archive may try to reach. */
function plantSecret(store: TestStore): string {
  const folder = `${store.root}/snapshots/secret`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/file`, 'secret');
  return folder;
}

const UP = '../'.repeat(12);

/** What is named here must not come to be on the host. */
const ESCAPES: Readonly<Record<string, (target: string) => TarMember[]>> = {
  'an absolute name': (target) => [{ name: `${target}/evil`, content: 'x' }],
  'a name with ".."': (target) => [{ name: `${UP}${target}/evil`, content: 'x' }],
  'a name with ".." in the middle': (target) => [{ name: `a/${UP}${target}/evil`, content: 'x' }],
  'an absolute link, then a file through it': (target) => [
    { name: 'link', type: 'symlink', link: target },
    { name: 'link/evil', content: 'x' },
  ],
  'a link upwards, then a file through it': (target) => [
    { name: 'link', type: 'symlink', link: `${UP}${target}` },
    { name: 'link/evil', content: 'x' },
  ],
  'links through links': (target) => [
    { name: 'a', type: 'symlink', link: '.' },
    { name: 'a/b', type: 'symlink', link: '..' },
    { name: `a/b/${UP}${target}/evil`, content: 'x' },
    { name: 'a/b/evil', content: 'x' },
  ],
  'a link to the folder in the place of a folder': (target) => [
    { name: 'dir/' },
    { name: 'dir', type: 'symlink', link: target },
    { name: 'dir/evil', content: 'x' },
  ],
  'a file over a link': (target) => [
    { name: 'link', type: 'symlink', link: `${target}/file` },
    { name: 'link', content: 'overwritten' },
  ],
  'a hard link to outside': (target) => [
    { name: 'hard', type: 'link', link: `${target}/file` },
    { name: 'hard', content: 'overwritten' },
  ],
  'a hard link upwards': (target) => [{ name: 'hard', type: 'link', link: `${UP}${target}/file` }],
  'a hard link to a link, then a file': (target) => [
    { name: 'soft', type: 'symlink', link: `${target}/file` },
    { name: 'hard', type: 'link', link: 'soft' },
    { name: 'hard', content: 'overwritten' },
  ],
  'a whiteout under a link': (target) => [{ name: 'link', type: 'symlink', link: target }, { name: 'link/.wh.file' }],
  'an opaque marker under a link': (target) => [
    { name: 'link', type: 'symlink', link: `${UP}${target}` },
    { name: 'link/.wh..wh..opq' },
  ],
  'a root that is a link': (target) => [
    { name: './', type: 'symlink', link: target },
    { name: './evil', content: 'x' },
  ],
  'the parent of the layer': () => [
    { name: '..', type: 'folder', mode: 0o777 },
    { name: '../evil', content: 'x' },
  ],
};

for (const [what, members] of Object.entries(ESCAPES)) {
  test(`a layer with ${what} reaches nothing outside of it`, async () => {
    await using store = await openStore();
    const secret = plantSecret(store);
    const before = bystanders(store);

    const outcome = await store.load(makeOciArchive([{ names: ['evil'], layers: [members(secret)] }])).then(
      () => 'contained',
      (error: unknown) => error,
    );

    if (outcome !== 'contained') assert.equal((outcome as { code?: string }).code, 'InvalidArgument', String(outcome));
    assert.deepEqual(readdirSync(secret), ['file']);
    assert.equal(readFileSync(`${secret}/file`, 'utf8'), 'secret');
    assert.equal(lstatSync(`${secret}/file`).nlink, 1);
    assert.deepEqual(bystanders(store), before);
    if (outcome !== 'contained') assert.deepEqual(store.census(), NOTHING);
  });
}

test('a link to outside is kept as it is, and means the container when it is mounted', async () => {
  await using store = await openStore();
  const [image] = await store.load(
    makeOciArchive([{ layers: [[{ name: 'link', type: 'symlink', link: '/etc/hostname' }]] }]),
  );

  const rootfs = await store.mount(image?.id ?? '');

  assert.equal(lstatSync(`${rootfs}/link`).isSymbolicLink(), true);
});

test('a device of a layer cannot be opened where the layer is kept while it is unpacked, and is one in the container', async () => {
  await using store = await openStore();

  const [image] = await store.load(
    makeOciArchive([
      {
        layers: [
          [
            { name: 'disk', type: 'block', device: [8, 0] },
            { name: 'disk', content: 'x' },
          ],
        ],
      },
    ]),
  );

  const rootfs = await store.mount(image?.id ?? '');
  assert.equal(lstatSync(`${rootfs}/disk`).isFile(), true);
});

test('an archive that unpacks to more than the limit is refused', async () => {
  await using store = await openStore({ limits: { largestUnpackedBytes: 8 << 20 } });
  const bomb: TestImage = { layers: [[{ name: 'zeros', content: Buffer.alloc(32 << 20) }]], compression: 'gzip' };

  await assert.rejects(store.load(makeOciArchive([bomb])), { code: 'ResourceExhausted', message: /8\.0 MiB/ });

  assert.deepEqual(store.census(), NOTHING);
});

test('layers that are small each and too large together are refused', async () => {
  await using store = await openStore({ limits: { largestUnpackedBytes: 8 << 20 } });
  const layers = [1, 2, 3].map((fill): TarMember[] => [{ name: `${fill}`, content: Buffer.alloc(3 << 20, fill) }]);

  await assert.rejects(store.load(makeOciArchive([{ layers, compression: 'zstd' }])), { code: 'ResourceExhausted' });

  assert.deepEqual(store.census(), NOTHING);
});

test('a compressed archive that is too large when it is unpacked is refused while it is received', async () => {
  await using store = await openStore({ limits: { largestUnpackedBytes: 8 << 20 } });
  const bomb = makeRootArchive([{ name: 'zeros', content: Buffer.alloc(32 << 20) }], 'gzip');

  await assert.rejects(store.load(bomb, { name: 'bomb' }), { code: 'ResourceExhausted' });

  assert.deepEqual(store.census(), NOTHING);
});

test('a layer with more files than the limit is refused', async () => {
  await using store = await openStore({ limits: { mostEntries: 100 } });
  const layer = Array.from({ length: 200 }, (_, index): TarMember => ({ name: `file-${index}` }));

  await assert.rejects(store.load(makeOciArchive([{ layers: [layer] }])), {
    code: 'ResourceExhausted',
    message: /100 files/,
  });

  assert.deepEqual(store.census(), NOTHING);
});

test('folders that a name makes on the way count as files', async () => {
  await using store = await openStore({ limits: { mostEntries: 100 } });
  const layer: TarMember[] = [{ name: 'a/'.repeat(200) }];

  await assert.rejects(store.load(makeOciArchive([{ layers: [layer] }])), { code: 'ResourceExhausted' });

  assert.deepEqual(store.census(), NOTHING);
});

test('a root with more files than the limit is refused', async () => {
  await using store = await openStore({ limits: { mostEntries: 100 } });
  const files = Array.from({ length: 200 }, (_, index): TarMember => ({ name: `file-${index}` }));

  await assert.rejects(store.load(makeRootArchive(files), { name: 'many' }), { code: 'ResourceExhausted' });

  assert.deepEqual(store.census(), NOTHING);
});

const FILE: TestImage = { names: ['app'], layers: [{ file: 'x'.repeat(50_000) }], compression: 'gzip' };

/** Replaces the content of the only blob that is a gzip stream. */
function tamperLayer(change: (content: Buffer) => Buffer): (files: ArchiveFiles) => void {
  return (files) => {
    for (const [name, content] of files) if (content[0] === 0x1f) files.set(name, change(content));
  };
}

/** A layer whose digests are right, whatever is wrong with its content. */
function layerOf(content: Buffer): Buffer {
  return makeOciArchive([{ names: ['app'], layers: [content], diffIds: [sha256(tarOf([{ name: 'file' }]))] }]);
}

const gzipped = makeRootArchive({ file: 'x'.repeat(50_000) }, 'gzip');

for (const [what, archive, reason, code = 'InvalidArgument'] of [
  ['nothing', Buffer.alloc(0), /empty/],
  ['only zeros', Buffer.alloc(10_240), /no files/],
  ['only a folder', tarOf([{ name: 'folder/' }]), /no files/],
  ['garbage', Buffer.alloc(5_000, 'garbage'), /no tar archive/],
  ['a cut gzip stream', gzipped.subarray(0, gzipped.length - 9), /gzip stream is cut off/],
  ['a cut zstd stream', makeRootArchive({ file: 'x' }, 'zstd').subarray(0, 30), /zstd stream is cut off/],
  ['a damaged gzip stream', Buffer.concat([gzipped.subarray(0, 60), Buffer.alloc(100, 7)]), /gzip stream is/],
  ['a cut tar', makeOciArchive([FILE]).subarray(0, 1_000), /cut off/],
  ['a cut root', makeRootArchive({ file: 'x'.repeat(5_000) }).subarray(0, 2_000), /cut off/],
  ['a bzip2 stream', Buffer.from('BZh91AY&SY and more'), /bzip2/, 'Unsupported'],
  ['an xz stream', Buffer.from('fd377a585a000004', 'hex'), /xz/, 'Unsupported'],
  ['blobs without documents', makeOciArchive([FILE], (files) => files.delete('index.json')), /neither/],
  ['no images', makeOciArchive([]), /only for nothing/, 'Unsupported'],
  [
    'no images in the manifest',
    makeDockerArchive([], 'old', (files) => files.set(`${'a'.repeat(64)}.json`, json({}))),
    /no image/,
  ],
  [
    'a manifest.json that is none',
    makeDockerArchive([FILE], 'old', (files) => files.set('manifest.json', json({ a: 1 }))),
    /manifest\.json/,
  ],
  [
    'an index that is no JSON',
    makeOciArchive([FILE], (files) => files.set('index.json', Buffer.from('{'))),
    /index\.json: it is no JSON/,
  ],
  [
    'a blob that is not there',
    makeOciArchive([FILE], (files) => {
      for (const [name, content] of files) if (content[0] === 0x1f) files.delete(name);
    }),
    /not in it/,
  ],
  [
    'a blob of another digest',
    makeOciArchive(
      [FILE],
      tamperLayer((content) => Buffer.from(content).fill(0, 20, 30)),
    ),
    /its digest is/,
  ],
  [
    'a layer of another content',
    makeOciArchive([{ ...FILE, diffIds: [sha256(Buffer.from('other'))] }]),
    /its content has digest/,
  ],
  ['more layers than diff ids', makeOciArchive([{ ...FILE, diffIds: [] }]), /1 layers, its config tells of 0/],
  [
    'a layer of a docker archive that is not there',
    makeDockerArchive([FILE], 'old', (files) => {
      for (const name of files.keys()) if (name.endsWith('layer.tar')) files.delete(name);
    }),
    /not in it/,
  ],
  ['a layer that is no tar', layerOf(Buffer.alloc(5_000, 'garbage')), /does not look like a tar/],
  ['a layer that is cut off', layerOf(gzipped.subarray(0, 80)), /gzip stream is cut off/],
  ['an empty layer', layerOf(Buffer.alloc(0)), /does not look like a tar/],
  [
    'a tar in a layer that is cut off',
    layerOf(makeRootArchive({ file: 'x'.repeat(5_000) }).subarray(0, 2_000)),
    /Unexpected EOF/,
  ],
  ['a name that cannot be', makeOciArchive([{ ...FILE, names: ['Not/Lower'] }]), /lowercase/],
] as const) {
  test(`an archive of ${what} is refused, and leaves nothing`, async () => {
    await using store = await openStore();

    await assert.rejects(store.load(archive, { name: 'some' }), { name: 'BerthError', message: reason, code });

    assert.deepEqual(store.census(), NOTHING);
    assert.deepEqual(store.images.list(), []);
  });
}

test('a document that is two kinds at once is refused', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([FILE], (files) => {
    const index = JSON.parse(String(files.get('index.json'))) as { manifests: { digest: string; size: number }[] };
    const [descriptor] = index.manifests;
    assert.ok(descriptor);
    const manifest = JSON.parse(String(files.get(`blobs/${descriptor.digest.replace(':', '/')}`))) as object;
    const twofold = json({ ...manifest, manifests: [] });
    files.set(`blobs/${sha256(twofold).replace(':', '/')}`, twofold);
    files.set('index.json', json({ manifests: [{ ...descriptor, digest: sha256(twofold), size: twofold.length }] }));
  });

  await assert.rejects(store.load(archive), { code: 'InvalidArgument', message: /two kinds/ });
});

test('a second image that is damaged keeps the first of its archive from being registered', async () => {
  await using store = await openStore();
  const good: TestImage = { names: ['good'], layers: [{ a: 'x' }] };
  const bad: TestImage = { names: ['bad'], layers: [{ b: 'x' }], diffIds: [sha256(Buffer.from('other'))] };

  await assert.rejects(store.load(makeOciArchive([good, bad])), { code: 'InvalidArgument' });

  assert.deepEqual(store.census(), NOTHING);
  assert.deepEqual(store.images.list(), []);
});

test('a blob that is not the layer it is said to be is refused although that layer is there', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([{ names: ['good'], layers: [{ a: 'x' }] }]));
  const forged: TestImage = {
    names: ['forged'],
    layers: [{ other: 'content' }],
    diffIds: [sha256(tarOf([{ name: 'a', content: 'x' }]))],
    compression: 'gzip',
    config: { User: 'other' },
  };

  await assert.rejects(store.load(makeOciArchive([forged])), {
    code: 'InvalidArgument',
    message: /its content has digest/,
  });

  assert.equal(store.images.list().length, 1);
  assert.equal(existsSync(`${store.root}/images/index.json`), true);
});
