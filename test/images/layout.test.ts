import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { idOf, makeDockerArchive, makeOciArchive, makeRootArchive } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { openStore } from './store.ts';

const APP: TestImage = { names: ['app:1'], layers: [{ a: 'x' }, { b: 'y' }], compression: 'gzip' };

interface Inspected {
  readonly Layers: readonly string[];
  readonly Architecture: string;
}

test('the store is an OCI layout that other programs read', async () => {
  await using store = await openStore();
  await store.load(makeDockerArchive([APP]));
  await store.load(makeRootArchive({ file: 'x' }, 'zstd'), { name: 'root' });
  const layout = `${store.root}/images`;

  const output = execFileSync('skopeo', ['inspect', `oci:${layout}:docker.io/library/app:1`], { encoding: 'utf8' });
  const listed = execFileSync('umoci', ['ls', '--layout', layout], { encoding: 'utf8' });

  assert.equal((JSON.parse(output) as Inspected).Layers.length, 2);
  assert.deepEqual(listed.trim().split('\n').toSorted(), ['docker.io/library/app:1', 'docker.io/library/root:latest']);
});

test('an empty store is an OCI layout too', async () => {
  await using store = await openStore();

  assert.equal(execFileSync('umoci', ['ls', '--layout', `${store.root}/images`], { encoding: 'utf8' }), '');
});

for (const form of ['oci-archive', 'docker-archive'] as const) {
  test(`what skopeo writes as ${form} is imported`, async () => {
    await using store = await openStore();
    await store.load(makeOciArchive([APP]));
    const file = `${store.options.runRoot}/archive.tar`;
    const source = `oci:${store.root}/images:docker.io/library/app:1`;
    execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', source, `${form}:${file}:docker.io/library/copy:2`]);
    await store.images.remove('app:1');

    const [image] = await store.load(readFileSync(file));

    assert.equal(image?.id, idOf(APP));
    assert.deepEqual(image.names, ['docker.io/library/copy:2']);
  });
}

test('an image that another program put into the layout is unpacked when it is first used', async () => {
  await using store = await openStore();
  const file = `${store.options.runRoot}/archive.tar`;
  execFileSync('tee', [file], { input: makeDockerArchive([APP]), stdio: ['pipe', 'ignore', 'inherit'] });
  const target = `oci:${store.root}/images:docker.io/library/foreign:1`;
  execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', `docker-archive:${file}`, target]);

  const images = await store.reopen();
  const { id } = images.find('foreign:1');

  await images.withImage(id, (rootfs) => Promise.resolve(assert.ok(existsSync(`${rootfs}/b`))));
});

test('nobody but root can reach layers and blobs', async () => {
  await using store = await openStore();

  for (const folder of ['images', 'snapshots', 'snapshots/l', 'snapshots/c', 'snapshots/staging', 'images/staging']) {
    assert.equal(statSync(`${store.root}/${folder}`).mode & 0o777, 0o700, folder);
  }
});
