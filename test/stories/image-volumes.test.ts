import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { ImageSpec, Mount, MountPropagation, NamespaceMode } from '../../src/gen/cri/api.ts';
import type { Mount as CriMount, PodSandboxConfig } from '../../src/gen/cri/api.ts';
import { message } from '../support/cri.ts';
import type { Daemon } from '../support/daemon.ts';
import { podStory } from '../support/pods.ts';
import type { Pods } from '../support/pods.ts';

/** An image that has data in it, and links that lead out of it. Returns its id. */
async function loadData(daemon: Daemon): Promise<string> {
  const folder = `${daemon.root}/data`;
  for (const name of ['etc', 'sub/inner', 'bin']) mkdirSync(`${folder}/${name}`, { recursive: true });
  writeFileSync(`${folder}/etc/passwd`, 'of the image\n');
  writeFileSync(`${folder}/sub/inner/file`, 'inner\n');
  writeFileSync(`${folder}/bin/hello`, '#!/bin/sh\necho hello\n', { mode: 0o755 });
  symlinkSync('/sub/inner', `${folder}/link`);
  symlinkSync('../../../../../../../etc', `${folder}/out`);
  execFileSync('mkfifo', [`${folder}/pipe`]);
  const tar = spawn('tar', ['-C', folder, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const answer = await daemon.lines('POST', '/v1/images?name=data', tar.stdout);
  return (answer.at(-1) as { images: { id: string }[] }).images[0]?.id ?? '';
}

function volume(given: Partial<CriMount> = {}): CriMount {
  return message(Mount, {
    containerPath: '/volume',
    image: message(ImageSpec, { image: 'data' }),
    readonly: true,
    ...given,
  });
}

interface Launched {
  readonly pods: Pods;
  readonly daemon: Daemon;
  readonly imageId: string;
  readonly config: PodSandboxConfig;
  readonly pod: string;
  readonly create: (...mounts: readonly CriMount[]) => Promise<string>;
}

function volumeStory(name: string, body: (launched: Launched) => Promise<void>): void {
  podStory(name, {}, async (pods, daemon) => {
    const imageId = await loadData(daemon);
    const config = pods.config({}, { network: NamespaceMode.NODE });
    const pod = await pods.run(config);
    const create = (...mounts: readonly CriMount[]): Promise<string> =>
      pods.create(pod, config, pods.container('exec sleep 1000', { mounts: [...mounts] }));
    await body({ pods, daemon, imageId, config, pod, create });
    await pods.remove(pod);
  });
}

volumeStory(
  'an image is a volume that can be read and run, and not be written to',
  async ({ pods, imageId, create }) => {
    const id = await create(volume());
    await pods.start(id);

    assert.equal(await pods.exec(id, 'cat', '/volume/etc/passwd'), 'of the image\n');
    assert.equal(await pods.exec(id, '/volume/bin/hello'), 'hello\n');
    assert.match(await pods.exec(id, 'sh', '-c', 'touch /volume/new 2>&1; true'), /Read-only file system/);
    const [mount] = (await pods.status(id)).mounts;
    assert.equal(mount?.image?.imageRef, imageId);
    assert.deepEqual([mount?.containerPath, mount?.image?.image, mount?.readonly], ['/volume', 'data', true]);
  },
);

volumeStory('part of an image is mounted, wherever its links lead within it', async ({ pods, create }) => {
  const id = await create(
    volume({ imageSubPath: 'sub/inner' }),
    volume({ containerPath: '/linked', imageSubPath: 'link' }),
    volume({ containerPath: '/file', imageSubPath: 'sub/inner/file' }),
    volume({ containerPath: '/etc-of-image', imageSubPath: 'out' }),
  );
  await pods.start(id);

  assert.equal(await pods.exec(id, 'cat', '/volume/file', '/linked/file', '/file'), 'inner\ninner\ninner\n');
  assert.equal(await pods.exec(id, 'cat', '/etc-of-image/passwd'), 'of the image\n');
});

volumeStory('what cannot be a volume is refused when the container is created', async ({ pods, create }) => {
  const cases: readonly [Partial<CriMount>, RegExp][] = [
    [{ imageSubPath: 'missing' }, /Cannot mount "missing" of image "data": there is nothing at this path/],
    [{ imageSubPath: 'etc/passwd/file' }, /there is nothing at this path/],
    [{ imageSubPath: 'pipe' }, /it is neither a folder nor a plain file/],
    [{ readonly: false }, /readonly is false, but images cannot be written to/],
    [{ hostPath: '/etc' }, /host_path is set beside an image/],
    [{ propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL }, /must be PROPAGATION_PRIVATE/],
  ];
  for (const [given, reason] of cases) await assert.rejects(create(volume(given)), { code: 3, message: reason });
  const unknown = volume({ image: message(ImageSpec, { image: 'unknown' }) });
  await assert.rejects(create(unknown), { code: 5, message: /unknown/ });
  assert.deepEqual((await pods.cri.runtime.listContainers({ filter: undefined })).containers, []);
});

volumeStory(
  'the image of a volume stays for as long as its container, whatever becomes of the daemon',
  async ({ pods, daemon, imageId, create }) => {
    const id = await create(volume());
    await daemon.kill();
    await daemon.boot();
    await daemon.untilRecovered();
    await pods.cri.images.removeImage({ image: message(ImageSpec, { image: imageId }) });
    await pods.start(id);
    assert.equal(await pods.exec(id, 'cat', '/volume/etc/passwd'), 'of the image\n');

    const layers = `${daemon.root}/state/snapshots/l`;
    const before = readdirSync(layers).length;
    await pods.cri.runtime.removeContainer({ containerId: id });
    while (readdirSync(layers).length >= before) await sleepFor(10);
  },
);
