import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { ImportProgress } from '../../src/engine/ports.ts';
import {
  busyboxRoot,
  compress,
  idOf,
  json,
  makeDockerArchive,
  makeIndexArchive,
  makeOciArchive,
  makeRootArchive,
  sha256,
} from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { tarOf } from '../support/tar.ts';
import { openStore } from './store.ts';

const TWO_LAYERS: TestImage = {
  names: ['app:1'],
  layers: [{ 'etc/': '', 'etc/name': 'lower', 'etc/kept': 'yes' }, { 'etc/name': 'upper' }],
  config: {
    Entrypoint: ['/entry'],
    Cmd: ['a', 'b'],
    Env: ['A=1'],
    WorkingDir: '/work',
    User: '5:6',
    StopSignal: 'SIGINT',
    Labels: { team: 'x' },
  },
};

for (const compression of ['none', 'gzip', 'zstd'] as const) {
  for (const [form, archive] of [
    ['an older docker archive', makeDockerArchive([{ ...TWO_LAYERS, compression }])],
    ['a newer docker archive', makeDockerArchive([{ ...TWO_LAYERS, compression }], 'dual')],
    ['an OCI archive', makeOciArchive([{ ...TWO_LAYERS, compression }])],
  ] as const) {
    test(`${form} is imported, layers compressed with ${compression}`, async () => {
      await using store = await openStore();

      const [image] = await store.load(archive);

      assert.equal(image?.id, idOf(TWO_LAYERS));
      assert.deepEqual(image.names, ['docker.io/library/app:1']);
      assert.equal(image.layers, 2);
      assert.equal(image.createdAt, Date.parse('2026-01-02T03:04:05Z'));
      assert.deepEqual(image.config, {
        entrypoint: ['/entry'],
        command: ['a', 'b'],
        env: ['A=1'],
        cwd: '/work',
        user: '5:6',
        stopSignal: 'SIGINT',
        labels: { team: 'x' },
      });
      await store.images.withImage(image.id, async (rootfs) => {
        assert.equal(await readFile(`${rootfs}/etc/name`, 'utf8'), 'upper');
        assert.equal(await readFile(`${rootfs}/etc/kept`, 'utf8'), 'yes');
      });
      assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
    });
  }

  test(`the files of a root become an image of one layer, compressed with ${compression}`, async () => {
    await using store = await openStore();
    const archive = makeRootArchive(busyboxRoot(), compression);

    const [image] = await store.load(archive, { name: 'busybox' });

    assert.deepEqual(image?.names, ['docker.io/library/busybox:latest']);
    assert.equal(image.sizeBytes, archive.length);
    assert.equal(image.layers, 1);
    await store.images.withImage(image.id, async (rootfs) => {
      assert.ok((await readdir(`${rootfs}/bin`)).includes('sh'));
    });
  });

  test(`an archive may itself be compressed with ${compression}`, async () => {
    await using store = await openStore();

    const [image] = await store.load(compress(makeDockerArchive([TWO_LAYERS]), compression));

    assert.equal(image?.id, idOf(TWO_LAYERS));
  });
}

test('the same files of a root make the same image', async () => {
  await using store = await openStore();
  const archive = makeRootArchive({ file: 'x' });

  const [first] = await store.load(archive, { name: 'a' });
  const [second] = await store.load(archive, { name: 'b' });

  assert.equal(first?.id, second?.id);
  assert.deepEqual(second?.names, ['docker.io/library/b:latest'], 'what this archive was called');
  assert.deepEqual(store.images.find('a').names, ['docker.io/library/a:latest', 'docker.io/library/b:latest']);
});

test('the files of a root need a name', async () => {
  await using store = await openStore();

  await assert.rejects(store.load(makeRootArchive({ file: 'x' })), { code: 'InvalidArgument', field: 'name' });

  assert.deepEqual(store.census(), { staged: [], blobs: 0, layers: 0, mounts: [] });
});

test('a root with a file manifest.json of its own is a root', async () => {
  await using store = await openStore();

  const [image] = await store.load(makeRootArchive({ 'app.js': 'x', 'manifest.json': '{"name":"pwa"}' }), {
    name: 'pwa',
  });

  await store.images.withImage(image?.id ?? '', async (rootfs) => {
    assert.equal(await readFile(`${rootfs}/manifest.json`, 'utf8'), '{"name":"pwa"}');
  });
});

test('an archive of images is known by its documents when its files have unusual names', async () => {
  await using store = await openStore();
  const layer = tarOf([{ name: 'file', content: 'x' }]);
  const config = json({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256(layer)] } });
  const manifest = json([{ Config: 'config.json', RepoTags: ['odd:1'], Layers: ['first.tar'] }]);
  const archive = tarOf([
    { name: 'first.tar', content: layer },
    { name: 'config.json', content: config },
    { name: 'manifest.json', content: manifest },
  ]);

  const [image] = await store.load(archive);

  assert.equal(image?.id, sha256(config));
  assert.deepEqual(image.names, ['docker.io/library/odd:1']);
});

test('a layer that a docker archive has as a link is found', async () => {
  await using store = await openStore();
  const layer = tarOf([{ name: 'file', content: 'x' }]);
  const config = json({ architecture: 'amd64', os: 'linux', rootfs: { diff_ids: [sha256(layer), sha256(layer)] } });
  const hex = sha256(config).slice('sha256:'.length);
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const archive = tarOf([
    { name: `${hex}.json`, content: config },
    { name: `${a}/layer.tar`, content: layer },
    { name: `${b}/layer.tar`, type: 'symlink', link: `../${a}/layer.tar` },
    {
      name: 'manifest.json',
      content: json([{ Config: `${hex}.json`, RepoTags: null, Layers: [`${a}/layer.tar`, `${b}/layer.tar`] }]),
    },
  ]);

  const [image] = await store.load(archive);

  assert.equal(image?.layers, 2);
});

test('of an index the image for this host is taken', async () => {
  await using store = await openStore();
  const own: TestImage = { layers: [{ own: 'x' }] };
  const foreign: TestImage = { layers: [{ foreign: 'x' }], architecture: 's390x' };

  const images = await store.load(makeIndexArchive('multi:1', [foreign, own]));

  assert.deepEqual(
    images.map(({ id, names }) => ({ id, names })),
    [{ id: idOf(own), names: ['docker.io/library/multi:1'] }],
  );
});

test('an index without an image for this host is refused, and says what it has', async () => {
  await using store = await openStore();
  const archive = makeIndexArchive('multi:1', [{ layers: [{ a: 'x' }], architecture: 's390x' }]);

  await assert.rejects(store.load(archive), { code: 'Unsupported', message: /only for linux\/s390x$/ });
});

for (const form of ['old', 'dual'] as const) {
  test(`all images of one ${form} docker archive are imported`, async () => {
    await using store = await openStore();
    const images: TestImage[] = [
      { names: ['a:1', 'a:2'], layers: [{ base: 'x' }, { a: 'x' }] },
      { names: ['b:1'], layers: [{ base: 'x' }, { b: 'x' }] },
      { layers: [{ base: 'x' }] },
    ];

    const loaded = await store.load(makeDockerArchive(images, form));

    assert.deepEqual(
      loaded.map(({ names }) => names),
      [['docker.io/library/a:1', 'docker.io/library/a:2'], ['docker.io/library/b:1'], []],
    );
    assert.equal(store.census().layers, 3);
    assert.equal(store.images.list().length, 3);
  });
}

test('a layer that two images share is unpacked once', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([{ names: ['a'], layers: [{ base: 'x' }, { a: 'x' }] }]));
  const layersOf: string[] = [];

  await store.load(makeOciArchive([{ names: ['b'], layers: [{ base: 'x' }, { b: 'x' }] }]), {
    onProgress: ({ layer }) => layersOf.push(...(layer === undefined ? [] : [layer])),
  });

  assert.equal(new Set(layersOf).size, 1);
  assert.equal(store.census().layers, 3);
});

test('an image without layers can be imported and mounted', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([{ names: ['scratch'], layers: [] }]));

  const rootfs = await store.mount(image?.id ?? '');

  assert.deepEqual(await readdir(rootfs), []);
  await store.images.withImage(image?.id ?? '', async (path) => assert.deepEqual(await readdir(path), []));
});

test('importing the same image twice changes nothing', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([TWO_LAYERS]);
  await store.load(archive);
  const before = store.census();
  const steps = new Set<string>();

  const [image] = await store.load(archive, { onProgress: ({ step }) => steps.add(step) });

  assert.deepEqual(image?.names, ['docker.io/library/app:1']);
  assert.deepEqual(store.census(), before);
  assert.deepEqual([...steps], ['receiving', 'done']);
});

test('two imports of the same image at once give one image', async () => {
  await using store = await openStore();
  const archive = makeDockerArchive([TWO_LAYERS]);

  const loaded = await Promise.all([store.load(archive), store.load(archive), store.load(archive)]);

  assert.deepEqual(new Set(loaded.flat().map(({ id }) => id)), new Set([idOf(TWO_LAYERS)]));
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

test('an image in another compression is the same image', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([{ ...TWO_LAYERS, names: ['plain'] }]));

  await store.load(makeOciArchive([{ ...TWO_LAYERS, names: ['packed'], compression: 'gzip' }]));

  assert.equal(store.images.list().length, 1);
  assert.equal(store.images.find('plain').id, store.images.find('packed').id);
  assert.equal(store.census().blobs, 4);
});

test('a name that moves to another image leaves the old one without a name', async () => {
  await using store = await openStore();
  const [old] = await store.load(makeOciArchive([{ names: ['app'], layers: [{ v: '1' }] }]));

  const [next] = await store.load(makeOciArchive([{ names: ['app'], layers: [{ v: '2' }] }]));

  assert.equal(store.images.find('app').id, next?.id);
  assert.deepEqual(store.images.find(old?.id ?? '').names, []);
});

test('an image is found by any spelling of its name, its id and the beginning of its id', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([{ ...TWO_LAYERS, names: ['app', 'example.org:5000/x/app:2'] }]));
  const id = image?.id ?? '';
  const hex = id.slice('sha256:'.length);

  const spellings = ['app', 'app:latest', 'library/app', 'docker.io/library/app:latest', 'example.org:5000/x/app:2'];
  for (const text of [...spellings, id, hex, hex.slice(0, 2), hex.slice(0, 12), id.slice(0, 20)]) {
    assert.equal(store.images.find(text).id, id, text);
  }
  for (const text of ['other', 'app:2', hex.slice(0, 1), '00', `sha256:${'0'.repeat(64)}`]) {
    assert.throws(() => store.images.find(text), {
      code: 'NotFound',
      message: new RegExp(`^Cannot find image "${text}": `),
    });
  }
  assert.throws(() => store.images.find('App'), { code: 'InvalidArgument' });
});

test('the beginning of several ids is refused, and lists them', async () => {
  await using store = await openStore();
  const byDigits = Map.groupBy(
    Array.from({ length: 300 }, (_, index): TestImage => ({ layers: [], config: { User: String(index) } })),
    (image) => idOf(image).slice('sha256:'.length, 'sha256:'.length + 2),
  );
  const [digits, twins = []] = [...byDigits].find(([, images]) => images.length === 2) ?? [''];
  await store.load(makeOciArchive(twins));

  assert.throws(() => store.images.find(digits), {
    code: 'InvalidArgument',
    message: new RegExp(twins.map((image) => idOf(image).slice('sha256:'.length).slice(0, 12)).join(', ')),
  });
});

test('an archive without a name is imported without one, or with the one that was asked for', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([{ layers: [{ a: 'x' }] }]);

  const [unnamed] = await store.load(archive);
  const [named] = await store.load(archive, { name: 'mine' });

  assert.deepEqual(unnamed?.names, []);
  assert.deepEqual(named?.names, ['docker.io/library/mine:latest']);
});

test('a name for an archive of several images is refused', async () => {
  await using store = await openStore();
  const archive = makeOciArchive([{ layers: [{ a: 'x' }] }, { layers: [{ b: 'x' }] }]);

  await assert.rejects(store.load(archive, { name: 'mine' }), { code: 'InvalidArgument', field: 'name' });
});

test('a bare word in an OCI index gives way to the name that was asked for', async () => {
  await using store = await openStore();

  const [image] = await store.load(makeOciArchive([{ names: ['latest'], layers: [] }]), { name: 'app' });

  assert.deepEqual(image?.names, ['docker.io/library/app:latest']);
});

test('progress tells what is received and what is unpacked', async () => {
  await using store = await openStore();
  const progress: ImportProgress[] = [];
  const archive = makeOciArchive([TWO_LAYERS]);

  await store.load(archive, { onProgress: (each) => progress.push(each) });

  assert.deepEqual(progress.findLast(({ step }) => step === 'receiving')?.bytes, archive.length);
  assert.equal(new Set(progress.flatMap(({ layer }) => layer ?? [])).size, 2);
  assert.equal(progress.at(-1)?.step, 'done');
});

test('what is registered is there after the store is opened again', async () => {
  await using store = await openStore();
  await store.load(makeOciArchive([TWO_LAYERS, { layers: [{ z: 'x' }] }]));

  const reopened = await store.reopen();

  assert.deepEqual(reopened.list(), store.images.list());
});

test('padding after a compressed root is no harm, and the blob is what its digest says', async () => {
  await using store = await openStore();
  const archive = Buffer.concat([makeRootArchive({ file: 'x'.repeat(100_000) }, 'gzip'), Buffer.alloc(300_000)]);

  const [image] = await store.load(archive, { name: 'padded' });

  const folder = `${store.root}/images/blobs/sha256`;
  for (const name of await readdir(folder)) assert.equal(sha256(await readFile(`${folder}/${name}`)), `sha256:${name}`);
  await store.images.withImage(image?.id ?? '', async (rootfs) => {
    assert.equal((await readFile(`${rootfs}/file`)).length, 100_000);
  });
});
