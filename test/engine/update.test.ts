import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CpuRates } from '../../src/engine/cpu-rates.ts';
import { BerthError } from '../../src/base/errors.ts';
import type { Resources } from '../../src/engine/container/spec.ts';
import { World, ignoreTheDead } from '../fakes/world.ts';

ignoreTheDead();

const asked = { requester: 'test' };
const MIB = 1 << 20;

/** What the run on the host has, as a new daemon would find it. */
function onHost(world: World, id: string, run = 1): Resources | undefined {
  return world.host.runs.get(run === 1 ? id : `${id}-r${run}`)?.file.row.spec.resources;
}

function kept(world: World, id: string): Resources {
  return world.containers.get(id).row.spec.resources;
}

const update = (world: World, id: string, resources: Resources): Promise<unknown> =>
  world.containers.update(id, { ...asked, resources });

test('limits of a container that runs are changed at once, kept, and told', async () => {
  const world = new World();
  const id = await world.run({}, { resources: { memoryBytes: 64 * MIB, cpuShares: 10 } });
  await world.clock.complete(update(world, id, { cpuShares: 20 }));

  const expected = { memoryBytes: 64 * MIB, cpuShares: 20 };
  assert.deepEqual(onHost(world, id), expected);
  const [told] = world.containers.history(id).filter(({ type }) => type === 'container.updated');
  assert.deepEqual([told?.run, told?.body], [1, { resources: expected, requester: 'test' }]);
  await world.restart();
  assert.deepEqual(kept(world, id), expected);
});

test('limits of one that does not run hold for its next run', async () => {
  const world = new World();
  const { row } = await world.create({ exitsAfterMs: 10 });
  const { id } = row.spec;
  await world.clock.complete(update(world, id, { cpuShares: 20 }));
  await world.clock.complete(world.containers.start(id));
  assert.deepEqual(onHost(world, id), { cpuShares: 20 });
  await world.clock.advance(1_000);
  assert.equal(world.phase(id), 'exited');
  await world.clock.complete(update(world, id, { cpuShares: 30 }));
  await world.clock.complete(world.containers.start(id));
  assert.deepEqual(onHost(world, id, 2), { cpuShares: 30 });
});

test('an update during a start waits for it, and holds for that run', async () => {
  const world = new World();
  const { row } = await world.create({});
  const { id } = row.spec;
  const starting = world.containers.start(id);
  const updating = update(world, id, { cpuShares: 20 });
  await world.clock.complete(Promise.all([starting, updating]));
  assert.deepEqual([onHost(world, id), kept(world, id)], [{ cpuShares: 20 }, { cpuShares: 20 }]);
});

test('updates come one after the other, and each goes on from the one before', async () => {
  const world = new World();
  const id = await world.run({}, { resources: { cpuShares: 1 } });
  const all = [{ cpuShares: 2 }, { pids: 3 }, { cpuShares: 4 }].map((resources) => update(world, id, resources));
  await world.clock.complete(Promise.all(all));
  assert.deepEqual(
    [onHost(world, id), kept(world, id)],
    [
      { cpuShares: 4, pids: 3 },
      { cpuShares: 4, pids: 3 },
    ],
  );
});

test('a run that ends while its limits are changed is no failure: the next one has them', async () => {
  const world = new World();
  const id = await world.run({ exitsAfterMs: 1 });
  await world.clock.complete(update(world, id, { cpuShares: 20 }));
  assert.deepEqual(kept(world, id), { cpuShares: 20 });
});

test('limits that the host refuses change nothing', async () => {
  const world = new World();
  const id = await world.run({}, { resources: { cpuShares: 1 } });
  world.host.refusal = new BerthError('WrongState', 'Cannot limit its memory to 6.0 MiB: it uses 9.0 MiB');
  await assert.rejects(world.clock.complete(update(world, id, { memoryBytes: 6 * MIB })), { code: 'WrongState' });
  assert.deepEqual([onHost(world, id), kept(world, id)], [{ cpuShares: 1 }, { cpuShares: 1 }]);
  world.host.refusal = undefined;
  await world.clock.complete(update(world, id, { memoryBytes: 7 * MIB }));
  assert.deepEqual(kept(world, id), { cpuShares: 1, memoryBytes: 7 * MIB });
});

test('limits that can never hold are refused before anything is done', async () => {
  const world = new World();
  const id = await world.run({});
  await assert.rejects(update(world, id, { memoryBytes: 5 }), { code: 'InvalidArgument' });
});

test('one that is being removed has no limits any more', async () => {
  const world = new World();
  const { row } = await world.create({});
  const { id } = row.spec;
  const removing = world.containers.remove(id, asked);
  const updating = update(world, id, { cpuShares: 2 });
  await assert.rejects(world.clock.complete(updating), (error: { code: string }) =>
    ['WrongState', 'NotFound'].includes(error.code),
  );
  await world.clock.complete(removing);
});

test('who does not wait any longer has changed it all the same', async () => {
  const world = new World();
  const id = await world.run({});
  const client = new AbortController();
  const updating = world.containers.update(id, { ...asked, resources: { pids: 9 }, signal: client.signal });
  await setImmediate(); // it has begun
  client.abort();
  await assert.rejects(world.clock.complete(updating), { code: 'Cancelled' });
  await world.clock.advance(1_000);
  assert.deepEqual(kept(world, id), { pids: 9 });
});

test('how much of a processor is used comes from two looks', () => {
  const rates = new CpuRates();
  const owner = {};
  assert.equal(rates.coresOf(owner, 0, 0), undefined, 'one look is no rate');
  assert.equal(rates.coresOf(owner, 2_000, 1e9), 0.5);
  assert.equal(rates.coresOf(owner, 2_500, 1.9e9), 0.5, 'too soon for another one');
  assert.equal(rates.coresOf(owner, 4_000, 4e9), 1.5, 'and it counts from the last one');
  assert.equal(rates.coresOf({}, 4_000, 4e9), undefined, 'each by itself');
  assert.equal(rates.coresOf(owner, 6_000, 1e9), undefined, 'it has begun anew');
  assert.equal(rates.coresOf(owner, 8_000, 3e9), 1);
  assert.equal(rates.coresOf(owner, 9_000, undefined), undefined);
});
