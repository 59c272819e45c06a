import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { makeOciArchive } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { openStore } from './store.ts';

const NOTHING = { staged: [], blobs: 0, layers: 0, mounts: [] };
const A: TestImage = { names: ['a:1', 'a:2'], layers: [{ base: 'x' }, { a: 'x' }] };
const B: TestImage = { names: ['b'], layers: [{ base: 'x' }, { b: 'x' }] };

test('an image goes with its last name', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));

  await store.images.remove('a:1');
  assert.deepEqual(store.images.find(image?.id ?? '').names, ['docker.io/library/a:2']);
  assert.equal(store.census().layers, 2);
  await store.images.remove('docker.io/library/a:2');

  assert.deepEqual(store.images.list(), []);
  assert.deepEqual(store.census(), NOTHING);
});

test('an image with several names is not removed by its id; with one it is', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));
  const id = image?.id.slice('sha256:'.length, 20) ?? '';

  await assert.rejects(store.images.remove(id), {
    code: 'WrongState',
    message: /it has the names .*a:1, .*a:2: remove/,
  });
  assert.equal(store.images.list()[0]?.names.length, 2);
  await store.images.remove('a:1');
  await store.images.remove(id);

  assert.deepEqual(store.images.list(), []);
  assert.deepEqual(store.census(), NOTHING);
});

test('what another image shares stays', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([A, B]));

  await store.images.remove('b');

  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
  const { id } = store.images.find('a:1');
  await store.images.withImage(id, (rootfs) =>
    Promise.resolve(assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base'])),
  );
});

test('an image without a name is kept until it is removed by its id', async () => {
  await using store = await openStore();
  const [old] = await store.load(makeOciArchive([{ names: ['app'], layers: [{ v: '1' }] }]));
  await store.load(makeOciArchive([{ names: ['app'], layers: [{ v: '2' }] }]));
  assert.equal(store.images.list().length, 2);

  await store.images.remove(old?.id ?? '');

  assert.equal(store.images.list().length, 1);
  assert.equal(store.census().layers, 1);
});

test('an image that a container uses is not removed, and loses no name by trying', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([B]));
  const containerId = 'c0ffee'.repeat(10);
  await store.images.prepareSnapshot(containerId, image?.id ?? '');

  for (const name of ['b', image?.id ?? '']) {
    await assert.rejects(store.images.remove(name), { code: 'Busy', message: /container c0ffeec0ffee uses it/ });
  }

  assert.deepEqual(store.images.find('b').names, ['docker.io/library/b:latest']);
  await store.images.removeSnapshot(containerId);
  await store.images.remove('b');
  assert.deepEqual(store.census(), NOTHING);
});

test('one of several names of an image in use can be removed', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));
  await store.images.prepareSnapshot('one', image?.id ?? '');

  await store.images.remove('a:1');

  await assert.rejects(store.images.remove('a:2'), { code: 'Busy' });
});

test('an image that a container uses is still in use after the store is opened again', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([B]));
  await store.images.prepareSnapshot('one', image?.id ?? '');

  const reopened = await store.reopen();

  await assert.rejects(reopened.remove('b'), { code: 'Busy' });
});

test('removing what is not there is told', async () => {
  await using store = await openStore();

  await assert.rejects(store.images.remove('nothing'), { code: 'NotFound' });
  await assert.rejects(store.images.remove('Not A Name'), { code: 'InvalidArgument' });
});

test('a removal while the same image is imported leaves it whole or gone, never half', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([B]);
  await store.load(archive);

  const outcomes = await Promise.allSettled([store.load(archive), store.images.remove('b'), store.load(archive)]);

  assert.equal(outcomes[0]?.status, 'fulfilled');
  assert.equal(outcomes[2]?.status, 'fulfilled');
  const image = store.images.find('b');
  await store.images.withImage(image.id, (rootfs) => Promise.resolve(assert.ok(existsSync(`${rootfs}/b`))));
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

test('a removal of one image leaves the layers alone that an import has just unpacked', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([B]));
  let removal: Promise<void> | undefined;

  await store.load(makeOciArchive([A]), {
    onProgress: ({ step }) => {
      if (step === 'layer') removal ??= store.images.remove('b');
    },
  });
  await removal;

  assert.equal(store.images.list().length, 1);
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});
