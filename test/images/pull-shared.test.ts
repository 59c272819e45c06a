import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { PullProgress } from '../../src/engine/ports.ts';
import { FakeRegistry, fail, sendBlob } from '../support/fake-registry.ts';
import type { Asked } from '../support/fake-registry.ts';
import { idOf, pushedImage } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { NOTHING, openStore } from './store.ts';

const BASE = [{ name: 'base', content: randomBytes(300_000) }];
const A: TestImage = { layers: [BASE, { a: 'x' }] };
const B: TestImage = { layers: [BASE, { b: 'x' }] };
const [BASE_LAYER = ''] = pushedImage(A).layers;
const BASE_BLOB = pushedImage(A).blobs.get(BASE_LAYER) ?? Buffer.alloc(0);

/** Sends the base layer's beginning, and the rest when the test says so. */
class Valve {
  readonly begun = Promise.withResolvers<void>();
  readonly #open = Promise.withResolvers<void>();
  count = 0;

  open(): void {
    this.#open.resolve();
  }

  readonly behave = ({ name }: Asked, response: ServerResponse): boolean => {
    if (name !== BASE_LAYER) return false;
    this.count += 1;
    response.writeHead(200, { 'content-length': BASE_BLOB.length });
    response.write(BASE_BLOB.subarray(0, 100_000));
    void this.#open.promise.then(() => response.end(BASE_BLOB.subarray(100_000)));
    return true;
  };
}

/** Resolves when a pull has heard of the first bytes of the base layer. */
function listener() {
  const heard: PullProgress[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const onProgress = (progress: PullProgress): void => {
    heard.push(progress);
    if (progress.layer === BASE_LAYER && progress.bytes > 0) resolve();
  };
  return { heard, hasBegun: promise, onProgress };
}

test('two pulls of one name are one, and both hear how far it is', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const valve = new Valve();
  registry.push('a', '1', A);
  registry.behave = valve.behave;
  const [one, two] = [listener(), listener()];

  const first = store.pull(`${registry.host}/a:1`, one);
  await one.hasBegun;
  const second = store.pull(`${registry.host}/a:1`, two);
  await two.hasBegun;
  valve.open();

  assert.deepEqual(await first, await second);
  assert.equal(registry.count('HEAD', 'manifests'), 1);
  assert.equal(valve.count, 1);
  assert.deepEqual(two.heard.at(-1), one.heard.at(-1));
});

test('two pulls of one name with different credentials both prove themselves, and share what they download', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const valve = new Valve();
  registry.push('a', '1', A);
  registry.behave = (asked, response) => {
    if (asked.headers.authorization === 'Bearer wrong') return fail(response, 403);
    return valve.behave(asked, response);
  };
  const name = `${registry.host}/a:1`;
  const [one, two] = [listener(), listener()];

  const first = store.pull(name, { ...one, auth: { kind: 'registry-token', token: 'one' } });
  await one.hasBegun;
  const second = store.pull(name, { ...two, auth: { kind: 'registry-token', token: 'two' } });
  const third = store.pull(name, { auth: { kind: 'registry-token', token: 'wrong' } });
  await assert.rejects(third, { code: 'PermissionDenied' });
  await two.hasBegun;
  valve.open();
  await Promise.all([first, second]);

  assert.equal(valve.count, 1);
  assert.equal(registry.count('HEAD', 'manifests'), 3);
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

test('a layer that two images share is downloaded once and unpacked once', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const valve = new Valve();
  registry.push('a', '1', A);
  registry.push('b', '1', B);
  registry.behave = valve.behave;
  const [one, two] = [listener(), listener()];

  const first = store.pull(`${registry.host}/a:1`, one);
  const second = store.pull(`${registry.host}/b:1`, two);
  await Promise.all([one.hasBegun, two.hasBegun]);
  valve.open();
  await Promise.all([first, second]);

  assert.equal(valve.count, 1);
  assert.deepEqual(store.census(), { staged: [], blobs: 7, layers: 3, mounts: [] });
});

test('a pull that gives up leaves the download to the other one that needs it', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const valve = new Valve();
  registry.push('a', '1', A);
  registry.push('b', '1', B);
  registry.behave = valve.behave;
  const [one, two] = [listener(), listener()];
  const impatience = new AbortController();
  const first = store.pull(`${registry.host}/a:1`, { ...one, signal: impatience.signal });
  await one.hasBegun;
  const second = store.pull(`${registry.host}/b:1`, two);
  await two.hasBegun;

  impatience.abort();
  await assert.rejects(first, { code: 'Cancelled' });
  valve.open();
  await second;

  assert.equal(valve.count, 1);
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
  assert.deepEqual(
    store.images.list().map(({ id }) => id),
    [idOf(B)],
  );
});

test('a pull whose shared download fails tries its own way', async () => {
  await using broken = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  broken.push('a', '1', A);
  registry.push('b', '1', B);
  const hasBegun = Promise.withResolvers<void>();
  const mayFail = Promise.withResolvers<void>();
  broken.behave = ({ name }, response) => {
    if (name !== BASE_LAYER) return false;
    hasBegun.resolve();
    void mayFail.promise.then(() => fail(response, 404));
    return true;
  };
  registry.behave = (asked, response) => asked.name === BASE_LAYER && sendBlob(asked, response, BASE_BLOB);
  const first = store.pull(`${broken.host}/a:1`);
  await hasBegun.promise;
  const two = Promise.withResolvers<void>();
  const second = store.pull(`${registry.host}/b:1`, {
    onProgress: ({ layer, step }) => layer !== BASE_LAYER && step === 'done' && two.resolve(),
  });
  await two.promise;

  mayFail.resolve();

  await assert.rejects(first, { code: 'NotFound' });
  assert.equal((await second).id, idOf(B));
  assert.deepEqual(store.census(), { staged: [], blobs: 4, layers: 2, mounts: [] });
});

test('the first to give up ends its own wait only; the last one ends the pull, which leaves nothing', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  const valve = new Valve();
  registry.push('a', '1', A);
  registry.behave = valve.behave;
  const listeners = [listener(), listener()];
  const impatience = listeners.map(() => new AbortController());
  const pulls = listeners.map(({ onProgress }, index) =>
    store.pull(`${registry.host}/a:1`, { onProgress, signal: impatience[index]?.signal ?? AbortSignal.abort() }),
  );
  await Promise.all(listeners.map(({ hasBegun }) => hasBegun));

  impatience[0]?.abort();
  await assert.rejects(pulls[0] ?? Promise.resolve(), { code: 'Cancelled' });
  assert.notDeepEqual(store.census(), NOTHING);
  impatience[1]?.abort();
  await assert.rejects(pulls[1] ?? Promise.resolve(), { code: 'Cancelled' });

  assert.deepEqual(store.census(), NOTHING);
  assert.deepEqual(store.images.list(), []);
});

for (const step of ['resolving', 'downloading', 'unpacking'] as const) {
  test(`a pull that is given up while it is ${step} leaves nothing, and the next one works`, async () => {
    await using registry = await FakeRegistry.open();
    await using store = await openStore();
    registry.push('a', '1', {
      ...A,
      layers: [[{ name: 'zeros', content: Buffer.alloc(64 << 20) }]],
      compression: 'gzip',
    });
    const impatience = new AbortController();

    const pulling = store.pull(`${registry.host}/a:1`, {
      signal: impatience.signal,
      onProgress: (progress) => progress.step === step && impatience.abort(),
    });

    await assert.rejects(pulling, { code: 'Cancelled' });
    assert.deepEqual(store.census(), NOTHING);
    const { id } = await store.pull(`${registry.host}/a:1`);
    await store.images.removeAll(id);
    assert.deepEqual(store.census(), NOTHING);
  });
}

test('a pull by somebody who has given up already asks nobody', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();

  await assert.rejects(store.pull(`${registry.host}/a:1`, { signal: AbortSignal.abort() }), { code: 'Cancelled' });

  assert.equal(registry.asked.length, 0);
});

test('no more layers are downloaded at a time than is configured, for one pull and for all', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore({ registries: { layersPerPull: 2, layersAtOnce: 3 } });
  const image = (name: string): TestImage => ({
    layers: Array.from({ length: 5 }, (_, index) => ({ [`${name}${index}`]: 'x' })),
  });
  const layers = new Set([image('a'), image('b')].flatMap((each) => pushedImage(each).layers));
  for (const name of ['a', 'b']) registry.push(name, '1', image(name));
  const now = { a: 0, b: 0 };
  const most = { a: 0, b: 0, both: 0 };
  const isFull = Promise.withResolvers<void>();
  registry.behave = async ({ name, repository }, response) => {
    if (!layers.has(name)) return false;
    const own = repository as 'a' | 'b';
    now[own] += 1;
    most[own] = Math.max(most[own], now[own]);
    most.both = Math.max(most.both, now.a + now.b);
    response.once('close', () => (now[own] -= 1));
    if (now.a + now.b === 3) isFull.resolve();
    await isFull.promise;
    await sleepFor(20); // one more than may be would come in this time
    return false;
  };

  await Promise.all([store.pull(`${registry.host}/a:1`), store.pull(`${registry.host}/b:1`)]);

  assert.deepEqual(most, { a: 2, b: 2, both: 3 });
});
