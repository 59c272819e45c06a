import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../fakes/world.ts';

const asked = { requester: 'test' };
const TERM = 15;

test('a program that handles its stop signal gets it once, and its own code counts', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 100, exitCode: 7 });
  await world.clock.advance(3_000);

  const result = await world.clock.complete(world.containers.stop(id, asked));

  assert.deepEqual(world.process(id).received, [TERM]);
  assert.ok(result.changed);
  assert.equal(result.exit?.code, 7);
  assert.equal(result.exit?.cause, 'stop');
  assert.equal(result.delivery, 'delivered');
  assert.equal(result.isKilled, false);
  await world.clock.advance(1_000);
  assert.deepEqual(world.failures, []);
});

test('a program that ignores it is killed at the end of the grace, and the result says why', async () => {
  const world = new World();
  const id = await world.run({});
  await world.clock.advance(3_000);
  const begunAt = world.clock.now();

  const result = await world.clock.complete(world.containers.stop(id, { ...asked, graceMs: 10_000 }));

  assert.ok(result.changed);
  assert.equal(result.delivery, 'ignored');
  assert.equal(result.isKilled, true);
  assert.ok(Math.abs(world.clock.now() - begunAt - 10_000) < 100);
});

test('many stops at once are one stop with one signal', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5 });
  await world.clock.advance(3_000);

  const stops = Array.from({ length: 50 }, (_, index) =>
    world.containers.stop(id, { ...asked, graceMs: 2_000 + index }),
  );
  await world.clock.complete(Promise.all(stops));

  assert.deepEqual(world.process(id).received, [TERM]);
});

for (const [first, second, expected] of [
  [60_000, 5_000, 6_000],
  [5_000, 60_000, 5_000],
] as const) {
  test(`stop(${first}) and then stop(${second}) kills after ${expected}: only earlier, never later`, async () => {
    const world = new World();
    const id = await world.run({ handlerAfterMs: 5 });
    await world.clock.advance(3_000);
    const begunAt = world.clock.now();

    const one = world.containers.stop(id, { ...asked, graceMs: first });
    await world.clock.advance(1_000);
    const two = world.containers.stop(id, { requester: 'another', graceMs: second });
    const [result] = await world.clock.complete(Promise.all([one, two]));

    assert.ok(Math.abs(world.clock.now() - begunAt - expected) < 100, `took ${world.clock.now() - begunAt}`);
    assert.ok(result.changed);
    assert.equal(result.exit?.requester, 'test');
    assert.deepEqual(world.process(id).received, [TERM]);
  });
}

test('a client that gives up ends its wait only: the kill comes when it was promised', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5 });
  await world.clock.advance(3_000);
  const gone = new AbortController();
  const begunAt = world.clock.now();

  const stop = world.containers.stop(id, { ...asked, graceMs: 5_000, signal: gone.signal });
  stop.catch(() => undefined);
  await world.clock.advance(1_000);
  gone.abort();
  await assert.rejects(world.clock.complete(stop), { code: 'Cancelled' });

  await world.clock.advance(3_900);
  assert.equal(world.phase(id), 'running');
  assert.ok(world.host.mounts.size > 0, 'nothing is unmounted before it is gone');
  await world.clock.runUntil(() => world.phase(id) === 'exited', 5_000);
  assert.ok(Math.abs(world.clock.now() - begunAt - 5_000) < 200);
});

test('a stop waits for the handler of a program that has only just started', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 800, exitsAfterSignalMs: 10 });

  const result = await world.clock.complete(world.containers.stop(id, asked));

  assert.deepEqual(world.process(id).received, [TERM]);
  assert.ok(result.changed && !result.isKilled);
});

test('a paused container that is stopped runs again for it, and gets its signal', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 10, exitCode: 3 });
  await world.clock.advance(100);
  await world.clock.complete(world.containers.pause(id));

  const result = await world.clock.complete(world.containers.stop(id, asked));

  assert.ok(result.changed);
  assert.equal(result.exit?.code, 3);
});

test('another signal leaves a paused container paused', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5, exitsAfterSignalMs: 10 });
  await world.clock.advance(100);
  await world.clock.complete(world.containers.pause(id));

  await world.clock.complete(world.containers.kill(id, { killSignal: 'SIGHUP', ...asked }));
  await world.clock.advance(10_000);

  assert.equal(world.phase(id), 'paused');
  assert.equal(world.process(id).isFrozen, true);
});

test('a process that hangs in the kernel: the request answers with the diagnosis, the stop stays, the exit comes by itself', async () => {
  const world = new World();
  const id = await world.run({ isStuck: true });
  await world.clock.advance(3_000);
  const begunAt = world.clock.now();

  await assert.rejects(world.clock.complete(world.containers.stop(id, { ...asked, graceMs: 5_000 })), {
    code: 'DeadlineExceeded',
    message: /hangs in the kernel/,
  });
  assert.ok(Math.abs(world.clock.now() - begunAt - 15_000) < 500);

  world.process(id).unstick();
  await world.clock.advance(2_000);
  assert.equal(world.phase(id), 'exited');
});

test('stopping what does not run changes nothing', async () => {
  const world = new World();
  const { row } = await world.create({});
  assert.deepEqual(await world.clock.complete(world.containers.stop(row.spec.id, asked)), { changed: false });
});

test('a stop without end never kills', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 5 });
  await world.clock.advance(3_000);
  const stop = world.containers.stop(id, { ...asked, graceMs: Infinity });
  stop.catch(() => undefined);

  await world.clock.advance(3_600_000);

  assert.equal(world.phase(id), 'running');
  assert.deepEqual(world.process(id).received, [TERM]);
});

test('PID 1 that ignores its signal can be told to cost no grace', async () => {
  const world = new World({ ignoredSignal: 'escalate' });
  const id = await world.run({});
  await world.clock.advance(3_000);
  const begunAt = world.clock.now();

  await world.clock.complete(world.containers.stop(id, { ...asked, graceMs: 60_000 }));

  assert.ok(world.clock.now() - begunAt < 1_000);
});

test('a program that ignores its stop signal is warned of within 5 s of its start', async () => {
  const world = new World();
  const id = await world.run({});
  await world.clock.advance(5_000);

  const warnings = world.containers.history(id).filter(({ type }) => type === 'container.warning');
  assert.deepEqual(
    warnings.map(({ body }) => body['warning']),
    ['stop-signal-ignored'],
  );
});

test('a start that hangs fails at its deadline, says what it waited for, and leaves nothing', async () => {
  const world = new World({ startDeadlineMs: 5_000 });
  const { row } = await world.create({});
  world.host.mountMs = 7_000;

  const starting = world.clock.complete(world.containers.start(row.spec.id));

  await assert.rejects(starting, {
    code: 'DeadlineExceeded',
    message: /^Cannot start container ".*" within 5s: it waits for its root to be mounted$/,
  });
  const { state } = world.containers.get(row.spec.id).row;
  assert.equal(state.phase === 'exited' && state.exit.cause, 'start-failed');
  await world.clock.complete(world.containers.remove(row.spec.id, { requester: 'test' }));
  assert.deepEqual(world.host.census(), []);
});
