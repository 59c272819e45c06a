import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ContainerFilter,
  PodSandboxFilter,
  StreamContainersRequest,
  StreamContainersResponse,
  StreamContainerStatsRequest,
  StreamImagesRequest,
  StreamPodSandboxesRequest,
  StreamPodSandboxesResponse,
  StreamPodSandboxMetricsRequest,
  StreamPodSandboxStatsRequest,
} from '../../../../src/gen/cri/api.ts';
import type { CriEngineParts } from '../../../fakes/fake-cri-engine.ts';
import { message } from '../../../support/cri.ts';
import { engineImage, podContainerRow, podRow, running, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const MANY = 400;
const annotations = { note: 'x'.repeat(64 << 10) };
const state = running();
const pods = Array.from({ length: MANY }, (_, index) => podRow({ id: `p${index}`, annotations }));
const rows = pods.map(({ spec }, index) =>
  podContainerRow({ id: `c${index}`, sandboxId: spec.id }, { annotations }, { state }),
);
const details = { at: 1, openFiles: 0, sockets: 0, mostOpenFiles: 1, devices: [], hugepages: [] };

const engine: CriEngineParts = {
  sandboxes: {
    list: () => pods.map((row) => ({ row })),
    usages: async () => new Map(pods.map(({ spec }) => [spec.id, { at: 1, interfaces: [], cgroup: undefined }])),
  },
  containers: {
    list: () => rows.map((row) => viewOf(row)),
    usage: () => ({ at: 1 }),
    details: async () => details,
  },
  images: { list: () => Array.from({ length: MANY }, (_, index) => engineImage({ id: `sha256:${index}` })) },
  imageStorage: async () => ({ path: '/images', usedBytes: 1, usedInodes: 1 }),
  disk: async () => ({ device: '/dev/a', major: 8, minor: 0, totalBytes: 1, totalInodes: 1, freeInodes: 1 }),
};

/** Every one of them once, and in the order of the list. */
function assertWhole(ids: readonly (string | undefined)[], prefix: string): void {
  assert.deepEqual(
    ids,
    Array.from({ length: MANY }, (_, index) => `${prefix}${index}`),
  );
}

test('a list that is too large for one message comes in several, none of them near to 16 MiB', async () => {
  await using served = await ServedCri.open(engine);
  const { runtime } = served;
  const sizes: number[] = [];

  const containers = await Array.fromAsync(runtime.streamContainers(message(StreamContainersRequest)));
  assertWhole(
    containers.flatMap((each) => each.containers).map(({ id }) => id),
    'c',
  );
  for (const each of containers) sizes.push(StreamContainersResponse.encode(each).finish().length);
  const sandboxes = await Array.fromAsync(runtime.streamPodSandboxes(message(StreamPodSandboxesRequest)));
  assertWhole(
    sandboxes.flatMap((each) => each.podSandboxes).map(({ id }) => id),
    'p',
  );
  for (const each of sandboxes) sizes.push(StreamPodSandboxesResponse.encode(each).finish().length);

  assert.ok(containers.length > 50 && sandboxes.length > 50);
  assert.ok(Math.max(...sizes) < 1 << 20, `${Math.max(...sizes)} bytes`);
});

test('statistics, metrics and images are streamed whole too', async () => {
  await using served = await ServedCri.open(engine);
  const { runtime, images } = served;
  const stats = await Array.fromAsync(runtime.streamContainerStats(message(StreamContainerStatsRequest)));
  assertWhole(
    stats.flatMap((each) => each.containerStats).map(({ attributes }) => attributes?.id),
    'c',
  );
  const ofPods = await Array.fromAsync(runtime.streamPodSandboxStats(message(StreamPodSandboxStatsRequest)));
  assertWhole(
    ofPods.flatMap((each) => each.podSandboxStats).map(({ attributes }) => attributes?.id),
    'p',
  );
  const metrics = await Array.fromAsync(runtime.streamPodSandboxMetrics(message(StreamPodSandboxMetricsRequest)));
  assertWhole(
    metrics.flatMap((each) => each.podSandboxMetrics).map(({ podSandboxId }) => podSandboxId),
    'p',
  );
  assert.ok(stats.length > 1 && ofPods.length > 1 && metrics.length > 1);
  const all = await Array.fromAsync(images.streamImages(message(StreamImagesRequest)));
  assertWhole(
    all.flatMap((each) => each.images).map(({ id }) => id),
    'sha256:',
  );
});

test('a filter holds for a stream as for its list', async () => {
  await using served = await ServedCri.open(engine);
  const { runtime } = served;
  const filter = message(ContainerFilter, { id: 'c7' });
  const found = await Array.fromAsync(runtime.streamContainers({ filter }));
  assert.deepEqual(
    found.map((each) => each.containers.map(({ id }) => id)),
    [['c7']],
  );
});

test('a list with nothing in it is a stream without a message', async () => {
  await using served = await ServedCri.open(engine);
  const filter = message(PodSandboxFilter, { id: 'nobody' });
  assert.deepEqual(await Array.fromAsync(served.runtime.streamPodSandboxes({ filter })), []);
});
