import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, ignoreTheDead } from '../fakes/world.ts';
import { repetitions } from '../support/scale.ts';

ignoreTheDead();

const asked = { requester: 'test' };
const TERM = 15;

/** A small generator whose runs can be repeated by their seed. @see "mulberry32" */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('a stop at any point of a start: exited in the end, no start after that, and a handler that comes in time sees one signal', async () => {
  for (let seed = 1; seed <= repetitions(10_000); seed += 1) {
    const random = randomOf(seed);
    const world = new World();
    world.host.latencyMs = () => random() * 20;
    const handlerAfterMs = random() * 900;
    const { row } = await world.create({ handlerAfterMs, exitsAfterSignalMs: 1, exitCode: 5 });
    const { id } = row.spec;

    const start = world.containers.start(id);
    start.catch(() => undefined);
    await world.clock.advance(random() * 150);
    const result = await world.clock.complete(world.containers.stop(id, { ...asked, graceMs: 10_000 }));
    await world.clock.advance(15_000);

    const { state } = world.containers.get(id).row;
    const told = world.containers.history(id).map(({ type }) => type);
    const hint = `seed ${seed}`;
    if (result.changed) {
      assert.equal(state.phase, 'exited', hint);
      assert.ok(told.lastIndexOf('container.started') < told.indexOf('container.exited'), hint);
      const [process] = world.host.history.get(id) ?? [];
      if (process?.isReleased === true) assert.deepEqual(process.received, [TERM], hint);
    }
    assert.deepEqual(world.failures, [], hint);
  }
});

test('whatever people do while the daemon dies again and again: one signal, no run beside another, a clean host', async () => {
  for (let seed = 1; seed <= repetitions(3_000); seed += 1) {
    const random = randomOf(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const world = new World();
    world.host.latencyMs = () => random() * 10;
    const hint = `seed ${seed}`;
    const { row } = await world.create({
      handlerAfterMs: random() * 300,
      ...(random() < 0.5 ? { exitsAfterSignalMs: random() * 500 } : {}),
      ...(random() < 0.2 ? { exitsAfterMs: random() * 5_000 } : {}),
    });
    const { id } = row.spec;
    const acts: Record<string, () => Promise<unknown>> = {
      start: () => world.containers.start(id),
      stop: () => world.containers.stop(id, { ...asked, graceMs: random() * 3_000 }),
      hangUp: () => world.containers.kill(id, { killSignal: 'SIGHUP', ...asked }),
      kill: () => world.containers.kill(id, { killSignal: 'SIGKILL', ...asked }),
      pause: () => world.containers.pause(id),
      resume: () => world.containers.resume(id),
      die: () => world.restart(),
      loseMonitor: () => {
        for (const run of world.host.runs.values()) if (random() < 0.3) run.monitor?.end();
        return Promise.resolve();
      },
    };
    for (let turn = 0; turn < 12; turn += 1) {
      const act = acts[pick(Object.keys(acts))]?.();
      act?.catch(() => undefined);
      await world.clock.advance(random() * 400);
      const alive = (world.host.history.get(id) ?? []).filter((process) => process.isAlive);
      assert.ok(alive.length <= 1, `${hint}: ${alive.length} runs at once`);
    }
    await world.restart();
    await world.clock.complete(world.containers.remove(id, { ...asked, isForced: true }));
    await world.clock.advance(20_000);

    for (const process of world.host.history.get(id) ?? []) {
      const terms = process.received.filter((number) => number === TERM).length;
      assert.ok(terms <= 1, `${hint}: ${terms} stop signals`);
    }
    assert.deepEqual(world.host.census(), [], hint);
    assert.deepEqual(
      world.failures.filter((failure) => !failure.includes('monitor of a container died')),
      [],
      hint,
    );
  }
});
