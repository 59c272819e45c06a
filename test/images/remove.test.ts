import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { FakeRegistry } from '../support/fake-registry.ts';
import { makeOciArchive, pushedImage, sha256 } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { NOTHING, openStore, untilClean } from './store.ts';

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

test('an image is removed with all its names and digests, even when it is removed by several at once', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  for (const repository of ['one/app', 'two/app']) registry.push(repository, '1', A);
  for (const repository of ['one/app', 'two/app']) await store.pull(`${registry.host}/${repository}:1`);
  const [image] = await store.load(makeOciArchive([A]));
  const { names, digests } = store.images.find(image?.id ?? '');
  assert.deepEqual([names.length, digests.length], [4, 2]);

  const removals = Array.from({ length: 5 }, async () => {
    await store.images.removeAll(image?.id ?? '');
    for (const text of [...names, ...digests, image?.id ?? '']) {
      assert.throws(() => store.images.find(text), { code: 'NotFound' });
    }
  });
  await Promise.all(removals);

  assert.deepEqual(store.images.list(), []);
  assert.deepEqual(store.census(), NOTHING);
  await assert.rejects(store.images.removeAll(image?.id ?? ''), { code: 'NotFound' });
});

test('an image that is removed while containers use it is gone at once, and its layers with the last of them', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));
  const rootfs = await store.mount(image?.id ?? '', 'one');
  await store.images.prepareSnapshot('two', image?.id ?? '');

  await store.images.removeAll(image?.id ?? '');

  assert.deepEqual(store.images.list(), []);
  assert.throws(() => store.images.find('a:1'), { code: 'NotFound' });
  assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base']);
  assert.deepEqual({ ...store.census(), mounts: [] }, { staged: [], blobs: 0, layers: 2, mounts: [] });
  await store.images.unmount(rootfs);
  await store.images.mount('one', rootfs); // it is started again
  assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base']);
  await store.images.unmount(rootfs);
  await store.images.removeSnapshot('one');
  assert.equal(store.census().layers, 2);
  await store.images.removeSnapshot('two');
  await untilClean(store, NOTHING);
});

test('what containers of a removed image need is kept by the next daemon too, and collected with the last of them', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));
  await store.images.prepareSnapshot('one', image?.id ?? '');
  await store.images.removeAll(image?.id ?? '');

  const images = await store.reopen();

  assert.deepEqual(images.list(), []);
  const rootfs = `${store.options.runRoot}/rootfs`;
  mkdirSync(rootfs);
  await images.mount('one', rootfs);
  assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base']);
  await images.unmount(rootfs);
  await images.removeSnapshot('one');
  await untilClean(store, NOTHING);
});

test('an image that was removed while a container used it can be had again, with the layers that are there', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('a', '1', A);
  const { id } = await store.pull(`${registry.host}/a:1`);
  await store.images.prepareSnapshot('one', id);
  await store.images.removeAll(id);

  await store.pull(`${registry.host}/a:1`);

  await store.images.removeSnapshot('one');
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
  await store.images.withImage(id, (rootfs) =>
    Promise.resolve(assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base'])),
  );
});

test('an image that is being imported is not removed under the import', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([A]);
  const [image] = await store.load(archive);
  let removal: Promise<unknown> | undefined;

  await store.load(makeOciArchive([A, B]), {
    onProgress: ({ step }) => {
      if (step === 'layer') removal ??= assert.rejects(store.images.removeAll(image?.id ?? ''), { code: 'Busy' });
    },
  });
  await removal;

  assert.equal(store.images.list().length, 2);
});

test('an image that somebody looks into is not pruned, and can be removed all the same', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([A]));

  await store.images.withImage(image?.id ?? '', async (rootfs) => {
    assert.deepEqual(await store.images.prune(), []);
    await store.images.removeAll(image?.id ?? '');
    assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'base']);
  });

  assert.deepEqual(store.images.list(), []);
  await store.images.prune();
  assert.deepEqual(store.census(), NOTHING);
});

test('a digest is removed like a name, and the image goes with the last of what it is called', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const digest = registry.push('a', '1', A);
  registry.push('b', '1', A);
  await store.pull(`${registry.host}/a:1`);
  await store.pull(`${registry.host}/b@${digest}`);

  await store.images.remove(`${registry.host}/b@${digest}`);
  assert.deepEqual(store.images.find(`${registry.host}/a:1`).digests, [`${registry.host}/a@${digest}`]);
  await store.images.remove(`${registry.host}/a:1`);

  assert.deepEqual(store.images.list(), []);
  await store.pull(`${registry.host}/a@${digest}`);
  await store.pull(`${registry.host}/b@${digest}`);
  await store.images.remove(`${registry.host}/a@${digest}`);
  assert.deepEqual(store.images.list()[0]?.digests, [`${registry.host}/b@${digest}`]);
  await store.images.remove(`${registry.host}/b@${digest}`);
  assert.deepEqual(store.census(), NOTHING);
});

test('what nobody uses, has pinned or is getting is pruned, and is told', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore({
    pinned: ['pinned', `${registry.host}/held@${sha256(pushedImage(B).manifest)}`],
  });
  registry.push('held', '1', B);
  const names = ['used', 'pinned', 'unused', 'other'];
  await store.load(makeOciArchive(names.map((name) => ({ names: [name], layers: [{ base: 'x' }, { [name]: 'x' }] }))));
  const held = await store.pull(`${registry.host}/held:1`);
  await store.images.prepareSnapshot('one', store.images.find('used').id);
  assert.deepEqual(
    [held.isPinned, store.images.find('pinned').isPinned, store.images.find('used').isPinned],
    [true, true, false],
  );

  const pruned = await store.images.prune();

  assert.deepEqual(
    pruned.flatMap((image) => image.names),
    ['docker.io/library/unused:latest', 'docker.io/library/other:latest'],
  );
  assert.deepEqual(
    store.images.list().flatMap((image) => image.names),
    ['docker.io/library/used:latest', 'docker.io/library/pinned:latest', `${registry.host}/held:1`],
  );
  assert.equal(store.census().layers, 4);
  assert.deepEqual(await store.images.prune(), []);
});

test('prunes while images are pulled, imported and used take nothing that any of these needs', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('a', '1', A);
  registry.push('b', '1', B);
  let prunes: Promise<unknown>[] = [];
  const prune = (): void => void prunes.push(store.images.prune());

  for (let round = 0; round < 5; round += 1) {
    prunes = [];
    const [a, b] = await Promise.all([
      store.pull(`${registry.host}/a:1`, { onProgress: prune }),
      store.pull(`${registry.host}/b:1`, { onProgress: prune }),
    ]);
    await Promise.all(prunes);
    for (const { id } of [a, b]) {
      const isThere = store.images.list().some((image) => image.id === id);
      if (!isThere) continue; // it was pruned as soon as it was complete
      await store.images.withImage(id, (rootfs) => Promise.resolve(assert.ok(existsSync(`${rootfs}/base`))));
    }
    await store.images.prune();
    assert.deepEqual(store.census(), NOTHING);
  }
});
