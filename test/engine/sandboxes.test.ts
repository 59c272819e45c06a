import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STEPS } from '../../src/engine/index.ts';
import type { SandboxRequest } from '../../src/engine/sandbox/state.ts';
import { World, ignoreTheDead } from '../fakes/world.ts';

ignoreTheDead();

const asked = { requester: 'test' };
const request: SandboxRequest = {
  name: 'pod',
  network: 'cni',
  pod: { name: 'pod', namespace: 'default', uid: 'u1', attempt: 0 },
};
const waiting = { handlerAfterMs: 5, exitsAfterSignalMs: 5 };

async function makePod(world: World, given: Partial<SandboxRequest> = {}): Promise<string> {
  const recovery = world.engine.recover();
  await world.clock.complete(recovery);
  const { row } = await world.clock.complete(world.sandboxes.create({ ...request, ...given }));
  return row.spec.id;
}

function assertClean(world: World): void {
  assert.deepEqual(world.host.census(), []);
  assert.deepEqual(world.failures, []);
  assert.deepEqual(world.engine.debts(), []);
}

function phase(world: World, id: string): string {
  return world.sandboxes.get(id).row.state.phase;
}

test('a pod goes from its making to its removal, and leaves nothing', async () => {
  const world = new World();
  const id = await makePod(world);
  const { state } = world.sandboxes.get(id).row;
  assert.deepEqual(state.phase === 'ready' ? state.addresses : [], ['10.0.0.2']);
  const container = await world.run(waiting, { sandbox: { id } });

  await world.clock.complete(world.sandboxes.stop(id, asked));

  assert.equal(phase(world, id), 'stopped');
  const exit = await world.clock.complete(world.containers.wait(container));
  assert.equal(exit.cause, 'sandbox');
  assert.equal(exit.requester, 'test');
  await world.clock.complete(world.sandboxes.remove(id, asked));
  assert.deepEqual(world.sandboxes.list(), []);
  assert.deepEqual(world.containers.list(), []);
  assertClean(world);
});

test('a retry of a creation joins the one in flight, and gets the same sandbox for a minute after', async () => {
  const world = new World();
  await world.clock.complete(world.engine.recover());
  const creations = [world.sandboxes.create(request), world.sandboxes.create(request)];
  const [one, other] = await world.clock.complete(Promise.all(creations));
  assert.equal(one?.row.spec.id, other?.row.spec.id);

  await world.clock.advance(50_000);
  const late = await world.clock.complete(world.sandboxes.create(request));
  assert.equal(late.row.spec.id, one?.row.spec.id);
  await assert.rejects(world.clock.complete(world.sandboxes.create({ ...request, labels: { a: 'b' } })), {
    code: 'AlreadyExists',
    message: /"pod".*it is ready, made 50(\.\d+)?s ago/,
  });

  await world.clock.advance(61_000);
  await assert.rejects(world.clock.complete(world.sandboxes.create(request)), { code: 'AlreadyExists' });
});

test('a client that gives up does not end the creation', async () => {
  const world = new World();
  await world.clock.complete(world.engine.recover());
  const impatient = new AbortController();
  const given = world.sandboxes.create(request, { signal: impatient.signal });
  given.catch(() => undefined);
  impatient.abort();
  await assert.rejects(given, { code: 'Cancelled' });

  await world.clock.advance(1_000);

  assert.equal(world.sandboxes.list().length, 1);
});

test('a network that cannot be attached leaves nothing, and the name is free', async () => {
  const world = new World();
  await world.clock.complete(world.engine.recover());
  world.host.attachTrouble = 'no more addresses';

  await assert.rejects(world.clock.complete(world.sandboxes.create(request)), /no more addresses/);

  assertClean(world);
  assert.deepEqual(world.sandboxes.list(), []);
  world.host.attachTrouble = undefined;
  await world.clock.complete(world.sandboxes.create(request));
});

test('a network that cannot be detached is one debt that blocks nothing, and is paid when it can', async () => {
  const world = new World();
  const id = await makePod(world);
  await world.run(waiting, { sandbox: { id } });
  world.host.detachTrouble = 'plugin is missing';

  await world.clock.complete(world.sandboxes.remove(id, asked));
  const again = await world.clock.complete(world.sandboxes.create({ ...request, labels: { again: '1' } }));
  await world.clock.advance(120_000);

  const [debt, ...others] = world.engine.debts();
  assert.deepEqual(others, []);
  assert.match(debt?.lastError ?? '', /plugin is missing/);
  world.host.detachTrouble = undefined;
  await world.clock.advance(60_000);
  assert.deepEqual(world.engine.debts(), []);
  await world.clock.complete(world.sandboxes.remove(again.row.spec.id, asked));
  assertClean(world);
});

test('nothing is created or started in a pod that is being stopped, and stopping it again is the same stop', async () => {
  const world = new World();
  const id = await makePod(world);
  const { row } = await world.create(waiting, { sandbox: { id } });
  const arriving = world.create(waiting, { sandbox: { id }, name: 'late' });
  arriving.catch(() => undefined);
  const stops = [world.sandboxes.stop(id, asked), world.sandboxes.stop(id, asked)];

  await world.clock.complete(Promise.all(stops));

  await assert.rejects(arriving, { code: 'WrongState' });
  await assert.rejects(world.clock.complete(world.containers.start(row.spec.id)), { code: 'WrongState' });
  await assert.rejects(world.create(waiting, { sandbox: { id } }), { code: 'WrongState', message: /it is stopped/ });
  await world.clock.complete(world.sandboxes.stop(id, asked));
  await world.clock.complete(world.sandboxes.remove(id, asked));
  assertClean(world);
});

test('a stop during the creation ends it, and nothing is left', async () => {
  const world = new World();
  await world.clock.complete(world.engine.recover());
  const creating = world.sandboxes.create(request);
  creating.catch(() => undefined);
  await world.clock.advance(0);

  await world.clock.complete(world.sandboxes.remove('pod', asked));

  await assert.rejects(world.clock.complete(creating), { code: 'Cancelled' });
  await world.clock.advance(1_000);
  assertClean(world);
  assert.deepEqual(world.sandboxes.list(), []);
});

test('containers that share a PID namespace get one infra container, which nobody sees in a list', async () => {
  const world = new World();
  const id = await makePod(world);
  world.host.programs.set('/init', {});
  const made = [];
  for (const name of ['a', 'b']) made.push(await world.create(waiting, { sandbox: { id }, pid: 'sandbox', name }));

  await world.clock.complete(Promise.all(made.map(({ row }) => world.containers.start(row.spec.id))));

  assert.equal(world.containers.list().length, 2);
  assert.equal(world.host.runs.size, 3);
  await world.clock.complete(world.sandboxes.remove(id, asked));
  assertClean(world);
});

test('when the infra container dies, its mates have died of it, and the pod is no longer ready', async () => {
  const world = new World();
  const id = await makePod(world);
  world.host.programs.set('/init', {});
  const container = await world.run(waiting, { sandbox: { id }, pid: 'sandbox' });
  const infra = [...world.host.runs.values()].find(({ file }) => file.row.spec.role === 'infra');

  infra?.process?.signal(9);
  const exit = await world.clock.complete(world.containers.wait(container));
  await world.clock.advance(1_000);

  assert.equal(exit.cause, 'sandbox');
  assert.equal(phase(world, id), 'stopped');
  await assert.rejects(world.create(waiting, { sandbox: { id } }), { code: 'WrongState' });
  await world.clock.complete(world.sandboxes.remove(id, asked));
  assertClean(world);
});

test('a process that hangs in the kernel: the stop says so, the network is free, and the pod is stopped when it ends', async () => {
  const world = new World();
  const id = await makePod(world);
  const container = await world.run({ isStuck: true }, { sandbox: { id } });

  await assert.rejects(world.clock.complete(world.sandboxes.stop(id, asked)), {
    code: 'DeadlineExceeded',
    message: /outlives SIGKILL/,
  });

  assert.equal(world.host.attachments.size, 0);
  assert.equal(phase(world, id), 'stopping');
  world.process(container).unstick();
  await world.clock.advance(1_000);
  assert.equal(phase(world, id), 'stopped');
});

test('after a boot every pod is stopped, and what it held is free before a new one is made', async () => {
  const world = new World();
  const ids = [];
  for (let n = 0; n < 20; n += 1) ids.push(await makePod(world, { name: `pod-${n}` }));
  world.host.pins.clear();
  Object.assign(world.clock, { bootId: 'boot-2' });
  await world.restart();

  assert.deepEqual([...new Set(ids.map((id) => phase(world, id)))], ['stopped']);
  assert.equal(world.host.attachments.size, 0);
  for (const id of ids) await world.clock.complete(world.sandboxes.remove(id, asked));
  assertClean(world);
});

test('what is attached for a pod that nobody knows is detached at the next start', async () => {
  const world = new World();
  world.host.attachments.set('unknown', '10.0.0.9');
  await world.restart();
  assert.equal(world.host.attachments.size, 0);
});

const points = STEPS.filter((step) => /^(sandbox|update)\.|^start\.infra$/.test(step)).flatMap((step) => [
  `${step}.before`,
  `${step}.after`,
]);

for (const point of points) {
  test(`a daemon that dies at ${point} leaves a pod that is ready, stopped or was never there`, async () => {
    const world = new World();
    world.host.programs.set('/init', {});
    world.host.programs.set('work', waiting);
    await world.restart(point);
    const life = async (): Promise<void> => {
      const { row } = await world.sandboxes.create(request);
      const { id } = row.spec;
      const container = await world.containers.create({
        image: 'test',
        command: ['work'],
        sandbox: { id },
        pid: 'sandbox',
      });
      await world.containers.start(container.row.spec.id);
      await world.containers.update(container.row.spec.id, { ...asked, resources: { cpuShares: 512 } });
      await world.sandboxes.update(id, { ...asked, apiData: { note: 'changed' } });
      await world.sandboxes.stop(id, asked);
      await world.sandboxes.remove(id, asked);
    };
    const living = life();
    living.catch(() => undefined);
    await world.clock.runUntil(() => !world.power.isOn, 60_000);
    assert.equal(world.power.isOn, false, 'the point was reached');

    await world.restart();
    await world.clock.advance(5_000);

    for (const { row } of world.sandboxes.list()) {
      assert.match(row.state.phase, /^(ready|stopped)$/);
      await world.clock.complete(world.sandboxes.stop(row.spec.id, asked));
      assert.equal(phase(world, row.spec.id), 'stopped');
      await world.clock.complete(world.sandboxes.remove(row.spec.id, asked));
    }
    await world.clock.advance(5_000);
    assertClean(world);
    assert.deepEqual(world.containers.list(), []);
  });
}
