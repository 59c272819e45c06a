import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { PullProgress } from '../../src/engine/ports.ts';
import { hostPlatform } from '../../src/images/platform.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { FakeRegistry, INDEX_TYPE } from '../support/fake-registry.ts';
import { busyboxRoot, idOf, makeOciArchive, pushedImage } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { NOTHING, openStore } from './store.ts';

const APP: TestImage = {
  layers: [{ 'etc/': '', 'etc/name': 'lower', 'etc/kept': 'yes' }, { 'etc/name': 'upper' }],
  config: { Cmd: ['run'], User: '5' },
};

for (const compression of ['none', 'gzip', 'zstd'] as const) {
  for (const form of compression === 'zstd' ? (['oci'] as const) : (['oci', 'docker'] as const)) {
    test(`an image of form ${form} is pulled by its tag, layers compressed with ${compression}`, async () => {
      await using registry = await startDockerRegistry();
      await using store = await openStore();
      const digest = await registry.push('team/app', '1', { ...APP, compression }, { form });

      const image = await store.pull(`${registry.host}/team/app:1`);

      assert.equal(image.id, idOf(APP));
      assert.deepEqual(image.names, [`${registry.host}/team/app:1`]);
      assert.deepEqual(image.digests, [`${registry.host}/team/app@${digest}`]);
      assert.equal(image.isPinned, false);
      assert.deepEqual(image.config.command, ['run']);
      await store.images.withImage(image.id, async (rootfs) => {
        assert.equal(await readFile(`${rootfs}/etc/name`, 'utf8'), 'upper');
        assert.equal(await readFile(`${rootfs}/etc/kept`, 'utf8'), 'yes');
      });
      assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
    });
  }
}

test('an image that is pulled by its digest has no name, and one that has a name keeps it', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  const digest = await registry.push('app', '1', APP);
  const byDigest = `${registry.host}/app@${digest}`;

  const first = await store.pull(byDigest);
  assert.deepEqual(first.names, []);
  assert.deepEqual(first.digests, [byDigest]);
  await store.pull(`${registry.host}/app:1`);
  const again = await store.pull(`${registry.host}/app:1@${digest}`);

  assert.deepEqual(again.names, [`${registry.host}/app:1`]);
  assert.deepEqual(again.digests, [byDigest]);
});

test('a name without a tag means its latest one', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  await registry.push('app', 'latest', APP);

  const image = await store.pull(`${registry.host}/app`);

  assert.deepEqual(image.names, [`${registry.host}/app:latest`]);
});

test('an image is found by all that it is called, always as the same, also by the next daemon', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  const names = ['one/app:1', 'one/app:2', 'two/app:latest'].map((name) => `${registry.host}/${name}`);
  for (const repository of ['one/app', 'two/app']) {
    for (const tag of ['1', '2', 'latest']) await registry.push(repository, tag, APP);
  }
  for (const name of names) await store.pull(name);
  const hex = idOf(APP).slice('sha256:'.length);
  const reopened = await store.reopen();

  for (const images of [store.images, reopened]) {
    const [image] = images.list();
    assert.deepEqual(image?.names, names);
    assert.equal(image.digests.length, 2);
    const spellings = [...names, ...image.digests, `${registry.host}/two/app`, image.id, hex, hex.slice(0, 12)];
    for (const text of spellings) assert.deepEqual(images.find(text), image, text);
  }
  assert.deepEqual(reopened.list(), store.images.list());
});

test('a layout of digests can be read by other programs', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  const digest = await registry.push('app', '1', APP);
  await store.pull(`${registry.host}/app:1`);

  const source = `oci:${store.root}/images:${registry.host}/app@${digest}`;
  const output = execFileSync('skopeo', ['inspect', '--raw', source], { encoding: 'utf8' });

  assert.equal(output, pushedImage(APP).manifest.toString());
});

test('a tag that has moved is pulled anew, and the old image keeps its digest only', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  await registry.push('app', '1', APP);
  const old = await store.pull(`${registry.host}/app:1`);
  await registry.push('app', '1', { layers: [{ other: 'x' }] });

  const image = await store.pull(`${registry.host}/app:1`);

  assert.notEqual(image.id, old.id);
  assert.deepEqual(store.images.find(old.id).names, []);
  assert.deepEqual(store.images.find(old.id).digests, old.digests);
});

test('programs of a pulled image run, and what it says of sizes and layers is true', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  await registry.push('busybox', 'latest', { layers: [busyboxRoot(), { file: 'x' }], compression: 'gzip' });

  const image = await store.pull(`${registry.host}/busybox`);

  assert.equal(image.layers, 2);
  assert.ok(image.sizeBytes > 500_000);
  const rootfs = await store.mount(image.id);
  assert.equal(execFileSync('chroot', [rootfs, '/bin/sh', '-c', 'echo -n $((6 * 7))'], { encoding: 'utf8' }), '42');
});

test('what is there already costs one question', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const digest = registry.push('app', '1', APP);
  registry.push('app', '2', APP);
  const first = await store.pull(`${registry.host}/app:1`);
  registry.asked.length = 0;

  const again = await store.pull(`${registry.host}/app:1`);
  const other = await store.pull(`${registry.host}/app:2`);
  await store.pull(`${registry.host}/app@${digest}`);

  assert.deepEqual(again, first);
  assert.deepEqual(other.names, [`${registry.host}/app:2`, `${registry.host}/app:1`]);
  assert.deepEqual(
    registry.asked.map(({ method, name }) => [method, name]),
    [
      ['HEAD', '1'],
      ['HEAD', '2'],
    ],
  );
});

test('an image that was imported is not downloaded again, whatever its layers are packed with', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const [imported] = await store.load(makeOciArchive([{ ...APP, names: ['mine'] }]));
  registry.push('app', '1', { ...APP, compression: 'gzip' });

  const image = await store.pull(`${registry.host}/app:1`);

  assert.equal(image.id, imported?.id);
  assert.deepEqual(store.images.find('mine').names, ['docker.io/library/mine:latest', `${registry.host}/app:1`]);
  assert.equal(registry.count('GET', 'blobs'), 0);
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

for (const type of [INDEX_TYPE, 'application/vnd.docker.distribution.manifest.list.v2+json']) {
  test(`of an index of type ${type} the image for this host is taken, and the digest is that of the index`, async () => {
    await using registry = await FakeRegistry.open();
    await using store = await openStore();
    const { architecture } = hostPlatform;
    const own: TestImage = { layers: [{ own: 'x' }] };
    const platform = (variant: string) => ({ os: 'linux', architecture, variant });
    const digest = registry.pushIndex(
      'multi',
      '1',
      [
        {
          image: { layers: [{ s390x: 'x' }], architecture: 's390x' },
          platform: { os: 'linux', architecture: 's390x' },
        },
        { image: { layers: [{ attestation: 'x' }] }, platform: { os: 'unknown', architecture: 'unknown' } },
        { image: { layers: [{ windows: 'x' }] }, platform: { os: 'windows', architecture } },
        { image: { layers: [{ newer: 'x' }] }, platform: platform('v99') },
        { image: own, platform: platform(architecture === 'arm64' ? 'v8' : '') },
        { image: { layers: [{ second: 'x' }] }, platform: platform('') },
      ],
      type,
    );

    const image = await store.pull(`${registry.host}/multi:1`);

    assert.equal(image.id, idOf(own));
    assert.deepEqual(image.digests, [`${registry.host}/multi@${digest}`]);
    assert.deepEqual(await store.pull(`${registry.host}/multi@${digest}`), image);
  });
}

test('progress begins with the question, has every layer with its size, and ends with the image', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const image: TestImage = { layers: [{ a: 'x'.repeat(300_000) }, { b: 'y'.repeat(300_000) }], compression: 'gzip' };
  registry.push('app', '1', image);
  const progress: PullProgress[] = [];

  const { sizeBytes } = await store.pull(`${registry.host}/app:1`, { onProgress: (each) => progress.push(each) });

  assert.deepEqual(progress[0], { step: 'resolving', bytes: 0 });
  assert.deepEqual(progress.at(-1), { step: 'done', bytes: sizeBytes });
  for (const [digest, blob] of [...pushedImage(image).blobs].slice(1)) {
    const own = progress.filter(({ layer }) => layer === digest);
    const size = { layer: digest, totalBytes: blob.length };
    assert.deepEqual(own[0], { step: 'downloading', bytes: 0, ...size });
    assert.deepEqual(own.findLast(({ step }) => step === 'downloading')?.bytes, blob.length);
    assert.deepEqual(own.findLast(({ step }) => step === 'unpacking')?.bytes, blob.length);
    assert.deepEqual(own.at(-1), { step: 'done', bytes: blob.length, ...size });
  }
});

test('a layer that another image has is neither downloaded nor unpacked again', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('a', '1', { layers: [{ base: 'x' }, { a: 'x' }] });
  registry.push('b', '1', { layers: [{ base: 'x' }, { b: 'x' }] });
  await store.pull(`${registry.host}/a:1`);
  const before = registry.count('GET', 'blobs');
  const unpacked = new Set<string | undefined>();

  await store.pull(`${registry.host}/b:1`, {
    onProgress: ({ step, layer }) => step === 'unpacking' && unpacked.add(layer),
  });

  assert.equal(registry.count('GET', 'blobs') - before, 2, 'the config and the one layer');
  assert.equal(unpacked.size, 1);
  assert.equal(store.census().layers, 3);
});

test('a layer that is in one image several times is downloaded once', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', { layers: [{ a: 'x' }, { b: 'x' }, { a: 'x' }, { a: 'x' }] });

  const image = await store.pull(`${registry.host}/app:1`);

  assert.equal(image.layers, 4);
  assert.equal(registry.count('GET', 'blobs'), 3);
  await store.images.withImage(image.id, async (rootfs) => {
    assert.deepEqual((await readdir(rootfs)).toSorted(), ['a', 'b']);
  });
});

test('an image without layers can be pulled', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('scratch', '1', { layers: [] });

  const { layers, sizeBytes } = await store.pull(`${registry.host}/scratch:1`);

  assert.deepEqual({ layers, sizeBytes }, { layers: 0, sizeBytes: 0 });
});

test('a registry that knows no HEAD, and says no digest, is asked for the whole manifest', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const { manifest, blobs } = pushedImage(APP);
  const digest = registry.push('app', '1', APP);
  registry.behave = ({ method, kind }, response) => {
    if (kind !== 'manifests') return false;
    response.writeHead(method === 'HEAD' ? 405 : 200, { 'content-type': 'application/json' });
    response.end(method === 'HEAD' ? undefined : manifest);
    return true;
  };

  const image = await store.pull(`${registry.host}/app:1`);

  assert.ok(blobs.has(image.id));
  assert.deepEqual(image.digests, [`${registry.host}/app@${digest}`]);
});

test('a name that is none, or that nobody has, leaves nothing', async () => {
  await using registry = await startDockerRegistry();
  await using store = await openStore();
  await registry.push('app', '1', APP);
  const unknown = `${registry.host}/app@sha256:${'0'.repeat(64)}`;

  await assert.rejects(store.pull('Not A Name'), { code: 'InvalidArgument', field: 'image' });
  await assert.rejects(store.pull(`${registry.host}/app:2`), {
    code: 'NotFound',
    message: `Cannot pull "${registry.host}/app:2": ${registry.host} does not have it`,
  });
  await assert.rejects(store.pull(`${registry.host}/other:1`), { code: 'NotFound' });
  await assert.rejects(store.pull(unknown), { code: 'NotFound', message: /does not have it \(MANIFEST_UNKNOWN: / });

  assert.deepEqual(store.census(), NOTHING);
  assert.deepEqual(store.images.list(), []);
});
