import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../src/engine/ports.ts';
import { testImage } from '../fakes/fake-images.ts';
import { World } from '../fakes/world.ts';

/** Lets the time of a world pass until the work is done. */
async function during<T>(world: World, work: Promise<T>): Promise<T> {
  let isOver = false;
  const settled = work.finally(() => (isOver = true));
  settled.catch(() => undefined); // it is awaited below
  while (!isOver) await world.clock.advance(1);
  return settled;
}

function pull(world: World, name: string): Promise<Image> {
  return during(
    world,
    world.engine.pullImage({ name, signal: new AbortController().signal, onProgress: () => undefined }),
  );
}

test('what became of images is told in the journal, each once', async () => {
  const world = new World();
  const { engine } = world;
  const before = engine.lastEvent;

  const { id, digests } = await pull(world, 'example.org/app:1');
  await during(world, engine.removeWholeImage('example.org/app:1'));
  const removed = await during(world, engine.pruneImages());

  assert.deepEqual(removed, [testImage]);
  const events = [...engine.eventsUpTo(before, engine.lastEvent)].map(({ type, body }) => ({ type, body }));
  const { id: testId, names, digests: testDigests } = testImage;
  assert.deepEqual(events, [
    { type: 'image.pulled', body: { id, name: 'example.org/app:1', digest: digests[0] } },
    { type: 'image.removed', body: { id, name: 'example.org/app:1', names: ['example.org/app:1'], digests } },
    { type: 'image.removed', body: { id: testId, name: names[0], names, digests: testDigests } },
  ]);
});

test('what is not there cannot be removed', async () => {
  const world = new World();

  await assert.rejects(during(world, world.engine.removeWholeImage('nothing')), { code: 'NotFound' });

  assert.deepEqual(await world.engine.imageStorage(), { path: '/images', usedBytes: 1_000, usedInodes: 1 });
});
