import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { Files } from '../support/images.ts';
import { busyboxRoot, compress, makeOciArchive, sha256 } from '../support/images.ts';
import { tarOf } from '../support/tar.ts';
import type { TarMember } from '../support/tar.ts';
import { openStore } from './store.ts';
import type { TestStore } from './store.ts';

/** Mounts an image of these layers as a container's root. */
async function mountLayers(store: TestStore, layers: readonly Files[]): Promise<string> {
  const [image] = await store.load(makeOciArchive([{ names: ['test'], layers, compression: 'gzip' }]));
  return store.mount(image?.id ?? '');
}

/** All extended attributes of a file, values in hexadecimal. */
function xattrsOf(path: string): Record<string, string> {
  const flags = ['--dump', '--match=-', '--encoding=hex', '--absolute-names', '--no-dereference'];
  const dump = execFileSync('getfattr', [...flags, path], { encoding: 'utf8' });
  return Object.fromEntries(
    [...dump.matchAll(/^([^#=]+)=0x(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

function typeOf(path: string): string {
  return execFileSync('stat', ['-c', '%F %t:%T', path], { encoding: 'utf8' }).trim();
}

test('a whiteout hides a file and a folder of the layers below', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { 'a/': '', 'a/file': 'x', 'a/kept': 'x', 'b/': '', 'b/file': 'x' },
    [{ name: 'a/.wh.file' }, { name: '.wh.b' }],
  ]);

  assert.deepEqual(readdirSync(rootfs), ['a']);
  assert.deepEqual(readdirSync(`${rootfs}/a`), ['kept']);
});

test('an opaque folder shows only what its own layer has', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { 'a/': '', 'a/old': 'x', 'a/sub/': '', 'a/sub/old': 'x' },
    [{ name: 'a/', mode: 0o750 }, { name: 'a/.wh..wh..opq' }, { name: 'a/new', content: 'x' }],
  ]);

  assert.deepEqual(readdirSync(`${rootfs}/a`), ['new']);
  assert.equal(statSync(`${rootfs}/a`).mode & 0o777, 0o750);
});

test('a root that is opaque hides all layers below', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { old: 'x' },
    [{ name: '.wh..wh..opq' }, { name: 'new', content: 'x' }],
    { newer: 'x' },
  ]);

  assert.deepEqual(readdirSync(rootfs).toSorted(), ['new', 'newer']);
});

test('a whiteout does not hide what has its name in the same layer', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { file: 'old', 'folder/': '', 'folder/old': 'x' },
    [
      { name: 'file', content: 'new' },
      { name: '.wh.file' },
      { name: '.wh.folder' },
      { name: 'folder/new', content: 'x' },
    ],
  ]);

  assert.equal(readFileSync(`${rootfs}/file`, 'utf8'), 'new');
  assert.deepEqual(readdirSync(`${rootfs}/folder`), ['new']);
});

test('a hidden file can be made anew by the container, and a hidden folder is empty then', async () => {
  await using store = await openStore();
  const rootfs = await mountLayers(store, [{ 'a/': '', 'a/old': 'x' }, [{ name: '.wh.a' }]]);

  execFileSync('mkdir', [`${rootfs}/a`]);

  assert.deepEqual(readdirSync(`${rootfs}/a`), []);
});

test('a whiteout keeps the time of the folder that it is in', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { 'a/': '', 'a/old': 'x' },
    [{ name: 'a/', mtime: 1_000_000_000 }, { name: 'a/.wh.old' }],
  ]);

  assert.equal(statSync(`${rootfs}/a`).mtimeMs, 1_000_000_000_000);
});

test('whiteouts with names that are not UTF-8 are found', async () => {
  await using store = await openStore();
  const name = Buffer.from([0x66, 0xff, 0xfe]);

  const rootfs = await mountLayers(store, [
    [{ name: Buffer.concat([Buffer.from('d/'), name]), content: 'x' }],
    [{ name: Buffer.concat([Buffer.from('d/.wh.'), name]) }],
  ]);

  assert.deepEqual(await readdir(`${rootfs}/d`), []);
});

test('a folder with the name of a whiteout is a whiteout, with all that is in it', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    { 'a/': '', 'b/': '' },
    [{ name: '.wh.a/' }, { name: '.wh.a/.wh.deep' }, { name: '.wh.a/x' }],
  ]);

  assert.deepEqual(readdirSync(rootfs), ['b']);
});

test('whiteouts that hide nothing are dropped', async () => {
  await using store = await openStore();
  const names = ['.wh.', '.wh..', '.wh...', '.wh..wh.plnk', 'a/.wh..', 'a/.wh...'];

  const rootfs = await mountLayers(store, [
    { 'a/': '', 'a/x': 'x', b: 'x' },
    names.map((name): TarMember => ({ name })),
  ]);

  assert.deepEqual(readdirSync(rootfs).toSorted(), ['a', 'b']);
  assert.deepEqual(readdirSync(`${rootfs}/a`), ['x']);
});

test('thousands of whiteouts are all converted', async () => {
  await using store = await openStore();
  const names = Array.from({ length: 3_000 }, (_, index) => `many/file-${index}`);

  const rootfs = await mountLayers(store, [
    names.map((name) => ({ name, content: 'x' })),
    names.map((name) => ({ name: name.replace('file', '.wh.file') })),
  ]);

  assert.deepEqual(readdirSync(`${rootfs}/many`), []);
});

test('owners, modes with setuid, times and hard links survive', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    [
      { name: './', mode: 0o1751, uid: 7, gid: 8, mtime: 1_100_000_000 },
      { name: 'tool', content: 'x', mode: 0o6755, uid: 1_000, gid: 70_000, mtime: 1_600_000_000.25 },
      { name: 'same', type: 'link', link: 'tool' },
      { name: 'absolute', type: 'link', link: '/tool' },
      { name: 'huge-id', content: 'x', uid: 3_000_000_000 },
    ],
  ]);

  const tool = statSync(`${rootfs}/tool`);
  assert.deepEqual(
    { mode: tool.mode & 0o7777, uid: tool.uid, gid: tool.gid, mtimeMs: tool.mtimeMs, nlink: tool.nlink },
    { mode: 0o6755, uid: 1_000, gid: 70_000, mtimeMs: 1_600_000_000_250, nlink: 3 },
  );
  assert.equal(statSync(`${rootfs}/same`).ino, tool.ino);
  assert.equal(statSync(`${rootfs}/huge-id`).uid, 3_000_000_000);
  const root = statSync(rootfs);
  assert.deepEqual({ mode: root.mode & 0o7777, uid: root.uid, gid: root.gid }, { mode: 0o1751, uid: 7, gid: 8 });
});

test('devices, fifos and links of every kind survive', async () => {
  await using store = await openStore();

  const rootfs = await mountLayers(store, [
    [
      { name: 'char', type: 'char', device: [1, 3], mode: 0o666 },
      { name: 'block', type: 'block', device: [259, 70_000] },
      { name: 'fifo', type: 'fifo', mode: 0o600 },
      { name: 'relative', type: 'symlink', link: 'char' },
      { name: 'absolute', type: 'symlink', link: '/etc/passwd' },
      { name: 'upwards', type: 'symlink', link: '../../../etc' },
      { name: 'dangling', type: 'symlink', link: 'nowhere' },
    ],
  ]);

  assert.equal(typeOf(`${rootfs}/char`), 'character special file 1:3');
  assert.equal(typeOf(`${rootfs}/block`), 'block special file 103:11170');
  assert.equal(typeOf(`${rootfs}/fifo`), 'fifo 0:0');
  const targets = ['relative', 'absolute', 'upwards', 'dangling'].map((name) => readlinkSync(`${rootfs}/${name}`));
  assert.deepEqual(targets, ['char', '/etc/passwd', '../../../etc', 'nowhere']);
});

test('attributes survive, capabilities too, but none of overlay itself', async () => {
  await using store = await openStore();
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
  const members: TarMember[] = [
    {
      name: 'file',
      content: 'x',
      xattrs: {
        'user.note': 'a\0b',
        'security.capability': capability,
        'trusted.overlay.redirect': '/etc',
        'trusted.overlay.metacopy': '',
        'user.overlay.opaque': 'y',
      },
    },
    { name: 'folder/', xattrs: { 'trusted.overlay.opaque': 'y', 'user.note': 'z' } },
  ];

  const [image] = await store.load(makeOciArchive([{ names: ['test'], layers: [members] }]));

  assert.ok(image);
  const [layer = ''] = readdirSync(`${store.root}/snapshots/l`).filter((name) => name.length === 26);
  assert.deepEqual(xattrsOf(`${store.root}/snapshots/l/${layer}/file`), {
    'user.note': '610062',
    'security.capability': capability.toString('hex'),
  });
  assert.deepEqual(xattrsOf(`${store.root}/snapshots/l/${layer}/folder`), { 'user.note': '7a' });
});

test('long names, names with line ends and names that are not UTF-8 survive', async () => {
  await using store = await openStore();
  const long = `${'d'.repeat(150)}/${'f'.repeat(200)}`;
  const odd = Buffer.from([0x61, 0x0a, 0x5c, 0xff]);

  const rootfs = await mountLayers(store, [
    [
      { name: long, content: 'long' },
      { name: odd, content: 'odd' },
    ],
  ]);

  assert.equal(readFileSync(`${rootfs}/${long}`, 'utf8'), 'long');
  assert.ok(readdirSync(rootfs, { encoding: 'buffer' }).some((name) => name.equals(odd)));
});

for (const format of ['gnu', 'pax']) {
  test(`a sparse file of the ${format} format stays sparse`, async () => {
    await using store = await openStore();
    const script = 'cd "$1"; echo data >sparse; truncate -s 100M sparse; tar -cSf - --format="$2" sparse; rm sparse';
    const layer = execFileSync('sh', ['-c', script, 'sh', store.options.runRoot, format]);

    const [image] = await store.load(makeOciArchive([{ layers: [layer] }]));

    const { size, blocks } = statSync(`${await store.mount(image?.id ?? '')}/sparse`);
    assert.equal(size, 100 << 20);
    assert.ok(blocks < 100, `${blocks} blocks`);
  });
}

test('a layer with data after its end is whole, and its digest counts all of it', async () => {
  await using store = await openStore();
  const layer = Buffer.concat([tarOf([{ name: 'file', content: 'x' }]), Buffer.alloc(3_000_000, 1)]);

  const [image] = await store.load(makeOciArchive([{ names: ['test'], layers: [layer] }]));

  assert.ok(existsSync(`${await store.mount(image?.id ?? '')}/file`));
});

for (const compression of ['gzip', 'zstd'] as const) {
  test(`a layer in several ${compression} streams one after the other is whole`, async () => {
    await using store = await openStore();
    const tar = tarOf([
      { name: 'a', content: 'x'.repeat(100_000) },
      { name: 'b', content: 'y' },
    ]);
    const packed = Buffer.concat([
      compress(tar.subarray(0, 50_000), compression),
      compress(tar.subarray(50_000), compression),
    ]);

    const [image] = await store.load(makeOciArchive([{ layers: [packed], diffIds: [sha256(tar)] }]));

    assert.equal(readFileSync(`${await store.mount(image?.id ?? '')}/b`, 'utf8'), 'y');
  });
}

test('programs of an imported root run', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([{ layers: [busyboxRoot()] }]));

  const rootfs = await store.mount(image?.id ?? '');

  assert.equal(execFileSync('chroot', [rootfs, '/bin/sh', '-c', 'echo $((6 * 7))'], { encoding: 'utf8' }), '42\n');
  assert.equal(lstatSync(`${rootfs}/bin/sh`).isSymbolicLink(), true);
});
