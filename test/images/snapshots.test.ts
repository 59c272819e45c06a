import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { withUserNamespace } from '../../src/linux/user-namespace.ts';
import { makeOciArchive } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { openStore } from './store.ts';

const APP: TestImage = { names: ['app'], layers: [{ 'etc/': '', 'etc/name': 'lower' }, { top: 'x' }] };

test('what a container writes stays in its own snapshot', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  const one = await store.mount(image?.id ?? '', 'one');
  const two = await store.mount(image?.id ?? '', 'two');

  writeFileSync(`${one}/etc/name`, 'changed');
  rmSync(`${one}/top`);

  assert.equal(readFileSync(`${two}/etc/name`, 'utf8'), 'lower');
  assert.deepEqual(readdirSync(two).toSorted(), ['etc', 'top']);
  await store.images.withImage(image?.id ?? '', (rootfs) => {
    assert.deepEqual(readdirSync(rootfs).toSorted(), ['etc', 'top']);
    return Promise.resolve();
  });
});

test('a snapshot keeps its files from one mount to the next', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  const target = await store.mount(image?.id ?? '');
  writeFileSync(`${target}/kept`, 'x');

  await store.images.unmount(target);
  assert.deepEqual(readdirSync(target), []);
  await store.images.mount('one', target);

  assert.equal(readFileSync(`${target}/kept`, 'utf8'), 'x');
});

test('a snapshot can be mounted after the host crashed with it mounted', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  const target = await store.mount(image?.id ?? '');
  await store.images.unmount(target);
  mkdirSync(`${store.root}/snapshots/c/one/work/work/incompat/volatile`, { recursive: true });

  const images = await store.reopen();
  await images.mount('one', target);

  assert.deepEqual(readdirSync(target).toSorted(), ['etc', 'top']);
});

test('preparing twice is as good as once, and keeps what is in the snapshot', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  const id = image?.id ?? '';
  const target = await store.mount(id);
  writeFileSync(`${target}/kept`, 'x');

  await Promise.all([store.images.prepareSnapshot('one', id), store.images.prepareSnapshot('one', id)]);

  assert.equal(readFileSync(`${target}/kept`, 'utf8'), 'x');
  assert.deepEqual(await store.images.findSnapshots(), ['one']);
});

test('a snapshot for another image is refused', async () => {
  await using store = await openStore();
  const images = await store.load(makeOciArchive([APP, { layers: [] }]));
  await store.images.prepareSnapshot('one', images[0]?.id ?? '');

  await assert.rejects(store.images.prepareSnapshot('one', images[1]?.id ?? ''), { code: 'AlreadyExists' });
});

test('a snapshot of an image that is not there is refused, and so is mounting what was not prepared', async () => {
  await using store = await openStore();
  const unknown = `sha256:${'0'.repeat(64)}`;

  await assert.rejects(store.images.prepareSnapshot('one', unknown), { code: 'NotFound' });
  await assert.rejects(store.images.mount('one', store.root), { code: 'NotFound' });
  await assert.rejects(
    store.images.withImage(unknown, () => Promise.resolve()),
    { code: 'NotFound' },
  );
  assert.deepEqual(await store.images.findSnapshots(), []);
});

for (const id of ['', '.', '..', '../evil', 'a/b']) {
  test(`"${id}" is no container id`, async () => {
    await using store = await openStore();
    const [image] = await store.load(makeOciArchive([APP]));

    await assert.rejects(store.images.prepareSnapshot(id, image?.id ?? ''), { code: 'InvalidArgument' });
    await assert.rejects(store.images.removeSnapshot(id), { code: 'InvalidArgument' });

    assert.equal(store.census().layers, 2);
  });
}

test('a removed snapshot is gone, and removing it again succeeds', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  const target = await store.mount(image?.id ?? '');
  mkdirSync(`${target}/${'deep/'.repeat(400)}`, { recursive: true });
  await store.images.unmount(target);

  await store.images.removeSnapshot('one');
  await store.images.removeSnapshot('one');

  assert.deepEqual(await store.images.findSnapshots(), []);
  assert.deepEqual(readdirSync(`${store.root}/snapshots/c`), []);
});

test('snapshots are found by the next daemon, also one whose removal was cut off', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));
  await store.images.prepareSnapshot('one', image?.id ?? '');
  mkdirSync(`${store.root}/snapshots/c/half/upper`, { recursive: true });

  const images = await store.reopen();

  assert.deepEqual((await images.findSnapshots()).toSorted(), ['half', 'one']);
  await images.removeSnapshot('half');
  assert.deepEqual(await images.findSnapshots(), ['one']);
});

test('the root of a container has mode and owner of the top layer', async () => {
  await using store = await openStore();
  const layers = [[{ name: './', mode: 0o700 }], [{ name: './', mode: 0o1777, uid: 12, gid: 34 }]];
  const [image] = await store.load(makeOciArchive([{ layers }]));

  const { mode, uid, gid } = statSync(await store.mount(image?.id ?? ''));

  assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o1777, uid: 12, gid: 34 });
});

test('the mount of an image is gone after its use, also when the use fails, and nothing can be written to it', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([APP]));

  const use = store.images.withImage(image?.id ?? '', (rootfs) => {
    assert.throws(() => writeFileSync(`${rootfs}/new`, 'x'), { code: 'EROFS' });
    throw new Error('use failed');
  });

  await assert.rejects(use, /use failed/);
  assert.deepEqual(store.census().mounts, []);
  assert.deepEqual(readdirSync(`${store.options.runRoot}/tmp-mounts`), []);
});

test('a root whose path has a comma in it works', async () => {
  await using outer = await openStore();
  await using store = await openStore({ root: `${outer.root}/a,b\\c:d` });
  const [image] = await store.load(makeOciArchive([APP]));

  const rootfs = await store.mount(image?.id ?? '');
  writeFileSync(`${rootfs}/new`, 'x');

  assert.deepEqual(readdirSync(rootfs).toSorted(), ['etc', 'new', 'top']);
});

/** As many layers, each with a file that no other has. */
function manyLayers(count: number): TestImage {
  const layers = Array.from({ length: count }, (_, index) => ({ [`file-${index}`]: 'x' }));
  return { names: ['app'], layers };
}

const LONG_ID = 'c0ffee00'.repeat(8);

test('127 layers can be mounted, wherever the store is', async () => {
  await using outer = await openStore();
  await using store = await openStore({ root: `${outer.root}${`/${'x'.repeat(200)}`.repeat(9)}` });
  const [image] = await store.load(makeOciArchive([manyLayers(127)]));

  const rootfs = await store.mount(image?.id ?? '', LONG_ID);
  writeFileSync(`${rootfs}/new`, 'x');

  assert.equal(readdirSync(rootfs).length, 128);
  const seen = await store.images.withImage(image?.id ?? '', (path) => Promise.resolve(readdirSync(path).length));
  assert.equal(seen, 127);
});

test('more layers than a mount can name are refused with the limit, and the image is not in use then', async () => {
  await using store = await openStore();
  const [most] = await store.load(makeOciArchive([{ ...manyLayers(143), names: ['most'] }]));
  const [more] = await store.load(makeOciArchive([manyLayers(144)]));
  await store.mount(most?.id ?? '', LONG_ID);

  const prepared = store.images.prepareSnapshot('f'.repeat(64), more?.id ?? '');

  await assert.rejects(prepared, {
    code: 'Unsupported',
    message: 'Cannot mount image: it has 144 layers, a mount takes 143 at most',
  });
  assert.deepEqual(await store.images.findSnapshots(), [LONG_ID]);
  await store.images.remove('app');
});

test('a layer that went missing is unpacked again when it is needed', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([{ ...APP, compression: 'zstd' }]));
  renameSync(`${store.root}/snapshots/l`, `${store.options.runRoot}/taken`);

  const images = await store.reopen();
  const rootfs = await images.withImage(image?.id ?? '', (path) => Promise.resolve(readdirSync(path).toSorted()));

  assert.deepEqual(rootfs, ['etc', 'top']);
});

const DATA: TestImage = { names: ['data'], layers: [{ 'sub/': '', 'sub/file': 'data' }] };

test('a container sees other images as volumes, which nobody can write to', async () => {
  await using store = await openStore();
  const [app, data] = await store.load(makeOciArchive([APP, DATA]));
  const target = `${store.root}/volume`;
  mkdirSync(target);
  await store.images.prepareSnapshot('one', app?.id ?? '', { volumes: [data?.id ?? ''] });

  await store.images.mountVolume('one', 0, target);

  assert.equal(readFileSync(`${target}/sub/file`, 'utf8'), 'data');
  assert.throws(() => writeFileSync(`${target}/sub/file`, ''), { code: 'EROFS' });
  await store.images.unmount(target);
  await assert.rejects(store.images.mountVolume('one', 1, target), { code: 'NotFound' });
});

test('the image of a volume is in use, also to the next daemon, until the container is gone', async () => {
  await using store = await openStore();
  const [app, data] = await store.load(makeOciArchive([APP, DATA]));
  await store.images.prepareSnapshot('one', app?.id ?? '', { volumes: [data?.id ?? ''] });

  for (const images of [store.images, await store.reopen()]) {
    await assert.rejects(images.remove('data'), { code: 'Busy' });
  }
  const images = await store.reopen();
  const target = `${store.root}/volume`;
  mkdirSync(target);
  await images.mountVolume('one', 0, target);
  assert.deepEqual(readdirSync(target), ['sub']);
  await images.unmount(target);

  await images.removeSnapshot('one');
  await images.remove('data');
  assert.deepEqual(
    images.list().map(({ names }) => names),
    [['docker.io/library/app:latest']],
  );
});

test('a volume of an image that is not there is refused, and nothing is kept of it', async () => {
  await using store = await openStore();
  const [app] = await store.load(makeOciArchive([APP]));
  await assert.rejects(store.images.prepareSnapshot('one', app?.id ?? '', { volumes: ['sha256:none'] }), {
    code: 'NotFound',
  });
  assert.deepEqual(await store.images.findSnapshots(), []);
});

test('what is at a path of an image is found as the image has it', async () => {
  await using store = await openStore();
  const [data] = await store.load(makeOciArchive([DATA]));
  const find = (path: string) => store.images.findPath(data?.id ?? '', path);
  assert.deepEqual(await find('sub/../../sub/file'), { path: '/sub/file', kind: 'file' });
  assert.deepEqual(await find('/'), { path: '', kind: 'folder' });
  assert.equal(await find('sub/file/more'), undefined);
  assert.equal(await find('none'), undefined);
});

const RANGE = [{ inside: 0, outside: 600_000, size: 1_000 }];
const USERS = { uids: RANGE, gids: RANGE };

test('a root that belongs to other users shows them the image as theirs, and keeps it as it is', async () => {
  await using store = await openStore();
  const [app, data] = await store.load(makeOciArchive([APP, DATA]));
  const target = await store.mount(app?.id ?? '', 'plain');
  await store.images.unmount(target);
  assert.equal(await store.images.idmapTrouble(), undefined);
  await withUserNamespace(store.options.children, { mappings: USERS, kinds: [] }, async (pid) => {
    const userNamespace = `/proc/${pid}/ns/user`;
    await store.images.prepareSnapshot('one', app?.id ?? '', { users: USERS, volumes: [data?.id ?? ''] });
    await store.images.mount('one', target, userNamespace);
    for (const path of [target, `${target}/top`, `${target}/etc`]) {
      const { uid, gid } = statSync(path);
      assert.deepEqual([uid, gid], [600_000, 600_000], path);
    }
    writeFileSync(`${target}/top`, 'changed');
    assert.equal(statSync(`${store.root}/snapshots/c/one/upper/top`).uid, 600_000);
    await store.images.unmount(target);

    await store.images.mountVolume('one', 0, target, userNamespace);
    assert.equal(statSync(`${target}/sub/file`).uid, 600_000);
    await store.images.unmount(target);
  });
  await store.images.mount('plain', target);
  assert.deepEqual([statSync(`${target}/top`).uid, readFileSync(`${target}/top`, 'utf8')], [0, 'x']);
  assert.deepEqual(store.census().mounts, [target], 'the place that the layers were seen at is gone');
});
