import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PullRequest } from '../../../../src/engine/ports.ts';
import {
  AuthConfig,
  ImageFilter,
  ImageSpec,
  ListImagesRequest,
  PullImageRequest,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { engineImage } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

test('an image that is not there is an empty answer', async () => {
  await using served = await ServedCri.open();
  const image = message(ImageSpec, { image: 'busybox' });
  assert.deepEqual(await served.images.imageStatus({ image, verbose: true }), { image: undefined, info: {} });
  const filter = message(ImageFilter, { image });
  assert.deepEqual(await served.images.listImages({ filter }), { images: [] });
});

test('images are listed, all of them or the one that is meant', async () => {
  const [one, two] = [engineImage(), engineImage({ id: `sha256:${'c'.repeat(64)}` })];
  await using served = await ServedCri.open({ images: { list: () => [one, two], find: () => two } });
  const ids = async (request: ListImagesRequest): Promise<string[]> =>
    (await served.images.listImages(request)).images.map(({ id }) => id);
  assert.deepEqual(await ids(message(ListImagesRequest)), [one.id, two.id]);
  const filter = message(ImageFilter, { image: message(ImageSpec, { image: 'two' }) });
  assert.deepEqual(await ids({ filter }), [two.id]);
  assert.deepEqual(await ids({ filter: message(ImageFilter) }), [one.id, two.id]);
});

test('a pulled image is known by its id', async () => {
  const requests: Partial<PullRequest>[] = [];
  const pullImage = async ({ name, auth }: PullRequest): Promise<ReturnType<typeof engineImage>> => {
    requests.push({ name, ...(auth && { auth }) });
    return engineImage();
  };
  await using served = await ServedCri.open({ pullImage });
  const image = message(ImageSpec, { image: 'registry.k8s.io/pause:3.9', runtimeHandler: 'runc' });
  const auth = message(AuthConfig, { username: 'ann', password: 'secret' });
  const { imageRef } = await served.images.pullImage(message(PullImageRequest, { image, auth }));
  assert.equal(imageRef, engineImage().id);
  const basic = { kind: 'basic', username: 'ann', password: 'secret' };
  assert.deepEqual(requests, [{ name: 'registry.k8s.io/pause:3.9', auth: basic }]);
  const odd = { ...image, runtimeHandler: 'gvisor' };
  await assert.rejects(served.images.pullImage(message(PullImageRequest, { image: odd })), {
    code: 3,
    details: /runtime handler "gvisor" is not configured, there are crun, runc/,
  });
});

test('an image is removed with all its names, whichever it is called by', async () => {
  const removed: string[] = [];
  await using served = await ServedCri.open({
    images: { find: () => engineImage() },
    removeWholeImage: async (id) => void removed.push(id),
  });
  await served.images.removeImage({ image: message(ImageSpec, { image: 'busybox' }) });
  assert.deepEqual(removed, [engineImage().id]);
});

test('where images are kept is told with what they take', async () => {
  const storage = { path: '/var/lib/berth/images', usedBytes: 5_000, usedInodes: 12 };
  await using served = await ServedCri.open({ imageStorage: async () => storage });
  const { imageFilesystems, containerFilesystems } = await served.images.imageFsInfo({});
  const [only] = imageFilesystems;
  assert.deepEqual([only?.fsId, only?.usedBytes], [{ mountpoint: storage.path }, { value: 5_000n }]);
  assert.deepEqual([only?.inodesUsed, containerFilesystems], [{ value: 12n }, []]);
  assert.ok((only?.timestamp ?? 0n) > 0n);
});
