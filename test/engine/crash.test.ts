import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STEPS } from '../../src/engine/index.ts';
import { World, ignoreTheDead } from '../fakes/world.ts';

ignoreTheDead();

const asked = { requester: 'test' };
const TERM = 15;
const pointsOf = (...verbs: string[]): string[] =>
  STEPS.filter((step) => verbs.includes(step.split('.')[0] ?? '')).flatMap((step) => [
    `${step}.before`,
    `${step}.after`,
  ]);

/** The daemon dies at `point` in the midst of `work`; what it began is for its successor. */
async function dieAt(world: World, point: string, work: () => Promise<unknown>): Promise<boolean> {
  await world.restart(point);
  const dying = work();
  dying.catch(() => undefined);
  await world.clock.runUntil(() => !world.power.isOn, 60_000);
  return !world.power.isOn;
}

function assertClean(world: World): void {
  assert.deepEqual(world.host.census(), []);
  assert.deepEqual(world.failures, []);
  assert.deepEqual(world.engine.debts(), []);
}

for (const point of pointsOf('stop')) {
  test(`a daemon that dies at ${point} still sends one stop signal, and the kill keeps its time`, async () => {
    const world = new World();
    const id = await world.run({ handlerAfterMs: 100 });
    await world.clock.advance(point.startsWith('stop.young') ? 0 : 3_000);
    const begunAt = world.clock.now();

    const isReached = await dieAt(world, point, () => world.containers.stop(id, { ...asked, graceMs: 10_000 }));
    const diedAt = world.clock.now();
    await world.restart();
    const isSaved = point !== 'stop.save.before';
    await world.clock.complete(world.containers.stop(id, { ...asked, graceMs: isSaved ? Infinity : 10_000 }));

    assert.ok(isReached, 'the point was reached');
    assert.deepEqual(world.process(id).received, [TERM]);
    const expected = isSaved ? begunAt + 10_000 : diedAt + 10_000;
    assert.ok(Math.abs(world.clock.now() - expected) < 200, `killed ${world.clock.now() - expected} ms off`);
    await world.clock.complete(world.containers.remove(id, asked));
    await world.clock.advance(1_000);
    assertClean(world);
  });
}

for (const point of pointsOf('stop')) {
  test(`a daemon that dies at ${point} and never comes back leaves nothing frozen, and the kill comes on time`, async () => {
    const world = new World();
    const id = await world.run({ handlerAfterMs: 100 });
    await world.clock.advance(3_000);
    const begunAt = world.clock.now();
    const isReached = await dieAt(world, point, () => world.containers.stop(id, { ...asked, graceMs: 10_000 }));
    if (!isReached) return; // an old PID 1 is not waited for
    const { isFrozen } = world.process(id);
    assert.equal(isFrozen, false);
    const isGuarded = !['stop.save.before', 'stop.save.after', 'stop.guard.before'].includes(point);

    await world.clock.runUntil(() => !world.process(id).isAlive, 60_000);

    if (isGuarded) assert.ok(Math.abs(world.clock.now() - begunAt - 10_000) < 100);
    assert.ok(world.process(id).received.length <= 1);
  });
}

for (const point of pointsOf('start').filter((each) => !each.startsWith('start.infra'))) {
  test(`a daemon that dies at ${point} leaves a container that runs or has failed, and nothing in between`, async () => {
    const world = new World();
    const { row } = await world.create({ handlerAfterMs: 5, exitsAfterSignalMs: 5 });
    const { id } = row.spec;
    const isReached = await dieAt(world, point, () => world.containers.start(id));

    await world.restart();
    await world.clock.advance(5_000);

    const { state } = world.containers.get(id).row;
    assert.ok(isReached || point.startsWith('start.kill'), 'the point was reached');
    assert.match(state.phase, /^(created|running|exited)$/);
    if (state.phase === 'running') assert.equal(world.process(id).isAlive, true);
    if (state.phase === 'exited') {
      assert.equal(state.exit.cause, 'start-failed');
      assert.equal(state.isCleaned, true);
    }
    await world.clock.complete(world.containers.remove(id, { ...asked, isForced: true }));
    await world.clock.advance(1_000);
    assertClean(world);
  });
}

for (const point of pointsOf('exit', 'clean')) {
  test(`a daemon that dies at ${point} still tells how its container ended, and cleans up`, async () => {
    const world = new World();
    world.host.monitorDelayMs = point.startsWith('exit.log') ? 500 : 2;
    const id = await world.run({ handlerAfterMs: 5, exitsAfterMs: 5_000, exitCode: 42 });
    const isReached = await dieAt(world, point, () => world.containers.wait(id));

    await world.restart();
    const exit = await world.clock.complete(world.containers.wait(id));
    await world.clock.advance(5_000);

    assert.ok(isReached, 'the point was reached');
    assert.equal(exit.code, 42);
    assert.equal(exit.cause, 'self');
    const state = world.containers.get(id).row.state;
    assert.ok(state.phase === 'exited' && state.isCleaned);
    const exits = world.containers.history(id).filter(({ type }) => type === 'container.exited');
    assert.equal(exits.length, 1, 'one exit is told');
    await world.clock.complete(world.containers.remove(id, asked));
    assertClean(world);
  });
}

for (const point of [...pointsOf('remove'), ...pointsOf('create')]) {
  test(`a daemon that dies at ${point} leaves a whole container or none`, async () => {
    const world = new World();
    const isCreate = point.startsWith('create');
    const id = isCreate ? undefined : await world.run({ exitsAfterMs: 10 });
    await world.clock.advance(1_000);
    const isReached = await dieAt(world, point, () =>
      id === undefined
        ? world.containers.create({ image: 'test', command: ['p'], name: 'fresh' })
        : world.containers.remove(id, asked),
    );

    await world.restart();
    await world.clock.advance(5_000);

    assert.ok(isReached, 'the point was reached');
    const left = world.containers.list();
    for (const { row } of left) {
      assert.match(row.state.phase, /^(created|exited)$/);
      await world.clock.complete(world.containers.remove(row.spec.id, asked));
    }
    assertClean(world);
  });
}

for (const point of pointsOf('pause', 'resume')) {
  test(`a daemon that dies at ${point} shows what the container really does`, async () => {
    const world = new World();
    const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 5 });
    await world.clock.advance(100);
    if (point.startsWith('resume')) await world.clock.complete(world.containers.pause(id));
    const isReached = await dieAt(world, point, () =>
      point.startsWith('resume') ? world.containers.resume(id) : world.containers.pause(id),
    );

    await world.restart();

    assert.ok(isReached, 'the point was reached');
    assert.equal(world.phase(id), world.process(id).isFrozen ? 'paused' : 'running');
    await world.clock.complete(world.containers.stop(id, asked));
    assert.deepEqual(world.process(id).received, [TERM]);
  });
}

test('a new boot: every run is over, and all of it is cleaned', async () => {
  const world = new World();
  const ids = [];
  for (let index = 0; index < 5; index += 1) ids.push(await world.run({}));
  const stopping = world.containers.stop(ids[0] ?? '', asked);
  stopping.catch(() => undefined);
  await world.clock.advance(500);
  world.kill();
  for (const id of ids) world.process(id).signal(9);
  Object.assign(world.clock, { bootId: 'boot-2' });

  await world.restart();
  await world.clock.advance(5_000);

  for (const id of ids) {
    const { state } = world.containers.get(id).row;
    assert.ok(state.phase === 'exited' && state.exit.cause === 'host-shutdown' && state.isCleaned);
    await world.clock.complete(world.containers.remove(id, asked));
  }
  assertClean(world);
});

test('a lost database: what runs is adopted from what stands beside it', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 5, exitCode: 9 });
  await world.clock.advance(3_000);
  world.kill();
  world.disk.containers.clear();
  world.disk.sandboxes.clear();
  world.disk.origin = 'new';

  await world.restart();

  assert.equal(world.phase(id), 'running');
  const result = await world.clock.complete(world.containers.stop(id, asked));
  assert.ok(result.changed && result.exit?.code === 9);
  await world.clock.complete(world.containers.remove(id, asked));
  assertClean(world);
});

test('a run without a row that lives is reported and left alone', async () => {
  const world = new World();
  const id = await world.run({});
  world.kill();
  world.disk.containers.clear();

  await world.restart();

  assert.equal(world.process(id).isAlive, true);
  assert.deepEqual(
    world.engine.foreign.map(({ run }) => run.containerId),
    [id],
  );
});

test('a container that cannot be recovered at once is quarantined, and taken up as soon as it can', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 5, exitCode: 9 });
  await world.clock.advance(3_000);
  world.host.unreadable = 3;

  await world.restart();
  const wasQuarantined = world.containers.get(id).isQuarantined;
  const result = await world.clock.complete(world.containers.stop(id, asked));

  assert.equal(wasQuarantined, true);
  assert.ok(result.changed && result.exit?.code === 9);
  assert.equal(world.containers.get(id).isQuarantined, false);
  world.failures.splice(0); // it was told of, as it should be
  await world.clock.complete(world.containers.remove(id, asked));
  assertClean(world);
});
