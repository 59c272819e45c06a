import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachRequest, AttachSession } from '../../src/engine/index.ts';
import type { FakeStreams } from '../fakes/fake-streams.ts';
import { World, ignoreTheDead } from '../fakes/world.ts';
import { Collected } from '../support/collect.ts';

ignoreTheDead();

const asked = { requester: 'test' };

function attach(world: World, id: string, request: AttachRequest): Promise<AttachSession> {
  return world.clock.complete(world.containers.attach(id, request));
}

function streamsOf(world: World, id: string): FakeStreams {
  const streams = world.host.runs.get(id)?.streams;
  assert.ok(streams);
  return streams;
}

test('whoever attaches before the start gets what is printed from the first byte on', async () => {
  const world = new World();
  const { row } = await world.create({ prints: 'first\n', exitsAfterMs: 100 });
  const { id } = row.spec;
  using session = await attach(world, id, { isForNextRun: true });
  const got = new Collected(session.output);

  await world.clock.complete(world.containers.start(id));
  await world.clock.complete(got.ended);

  assert.equal(got.stdout, 'first\n');
  assert.deepEqual(world.failures, []);
});

test('what does not run is attached to only by those who wait for its start', async () => {
  const world = new World();
  const { row } = await world.create({});
  const { id } = row.spec;
  const message = /^Cannot attach to container ".*": it is created, must be running$/;
  await assert.rejects(attach(world, id, {}), { code: 'WrongState', message });

  await world.clock.complete(world.containers.start(id));
  using session = await attach(world, id, { isForNextRun: true });
  const got = new Collected(session.output);
  streamsOf(world, id).print('now\n');
  await world.clock.runUntil(() => got.stdout !== '', 1_000);

  assert.equal(got.stdout, 'now\n');
});

test('a container that has exited is attached to when it starts again', async () => {
  const world = new World();
  const id = await world.run({ prints: 'again\n', exitsAfterMs: 10 });
  await world.clock.advance(1_000);
  using session = await attach(world, id, { isForNextRun: true });
  const got = new Collected(session.output);

  await world.clock.complete(world.containers.start(id));
  await world.clock.complete(got.ended);

  assert.equal(got.stdout, 'again\n');
});

test('a start that fails ends the output of those who waited for it, and only then', async () => {
  const world = new World();
  const { row } = await world.create({ startFailure: { exitCode: 127, message: 'not found' } });
  using session = await attach(world, row.spec.id, { isForNextRun: true });
  const got = new Collected(session.output);

  await assert.rejects(world.clock.complete(world.containers.start(row.spec.id)), { code: 'InvalidArgument' });
  await world.clock.complete(got.ended);

  assert.equal(got.stdout, '');
});

test('a container that is removed before its start tells those who waited', async () => {
  const world = new World();
  const { row } = await world.create({});
  using session = await attach(world, row.spec.id, { isForNextRun: true });
  const got = new Collected(session.output);

  await world.clock.complete(world.containers.remove(row.spec.id, asked));

  await assert.rejects(world.clock.complete(got.ended), { code: 'NotFound' });
});

test('a client that leaves before the start is not connected', async () => {
  const world = new World();
  const { row } = await world.create({});
  const { id } = row.spec;
  const gone = new AbortController();
  const session = await attach(world, id, { isForNextRun: true, signal: gone.signal });
  const got = new Collected(session.output);
  gone.abort();
  await world.clock.complete(got.ended);

  await world.clock.complete(world.containers.start(id));

  assert.equal(streamsOf(world, id).clients, 0);
});

test('a monitor that takes no connection fails no start', async () => {
  const world = new World();
  const { row } = await world.create({ prints: 'x', handlerAfterMs: 1 });
  const { id } = row.spec;
  using session = await attach(world, id, { isForNextRun: true, size: { width: 80, height: 24 } });
  const got = new Collected(session.output);
  got.ended.catch(() => undefined);
  const starting = world.containers.start(id);
  await world.clock.runUntil(() => world.host.runs.get(id)?.monitor !== undefined, 1_000);
  world.host.runs.get(id)?.monitor?.end();

  const { row: started } = await world.clock.complete(starting);

  assert.equal(started.state.phase, 'running');
  await assert.rejects(world.clock.complete(got.ended), { code: 'Unavailable' });
});

test('input for one client ends with it, and whoever only writes is told of the end', async () => {
  const world = new World();
  const streams = { hasStdin: true, isStdinOnce: true };
  const { row } = await world.create({ echoes: true }, streams);
  const { id } = row.spec;
  using watching = await attach(world, id, { isForNextRun: true });
  using writing = await attach(world, id, { isForNextRun: true, hasInput: true, hasOutput: false });
  const [seen, told] = [new Collected(watching.output), new Collected(writing.output)];
  await world.clock.complete(world.containers.start(id));

  await world.clock.complete(writing.write(Buffer.from('fed\n')));
  writing.closeInput();
  await world.clock.complete(Promise.all([seen.ended, told.ended]));

  assert.deepEqual([seen.stdout, told.stdout], ['fed\n', '']);
  assert.equal((await world.clock.complete(world.containers.wait(id))).code, 0);
});

test('a terminal has the size of whoever waits for it before its program runs, and can change it', async () => {
  const world = new World();
  const { row } = await world.create({}, { hasTerminal: true });
  const { id } = row.spec;
  using session = await attach(world, id, { isForNextRun: true, size: { width: 101, height: 33 } });
  await assert.rejects(session.resize({ width: 1, height: 1 }), { code: 'WrongState', message: /it is created/ });

  await world.clock.complete(world.containers.start(id));
  assert.deepEqual(streamsOf(world, id).size, { width: 101, height: 33 });
  await world.clock.complete(session.resize({ width: 132, height: 50 }));
  assert.deepEqual(streamsOf(world, id).size, { width: 132, height: 50 });
  await world.clock.complete(world.containers.resize(id, { width: 80, height: 24 }));
  assert.deepEqual(streamsOf(world, id).size, { width: 80, height: 24 });
});

test('what has no terminal has no size', async () => {
  const world = new World();
  const id = await world.run({});
  const resizing = world.containers.resize(id, { width: 80, height: 24 });
  await assert.rejects(resizing, { code: 'WrongState', message: /: it has none$/ });
});

test('a stop during the start ends the output of those who waited', async () => {
  const world = new World();
  const { row } = await world.create({ prints: 'never' });
  const { id } = row.spec;
  using session = await attach(world, id, { isForNextRun: true });
  const got = new Collected(session.output);
  const starting = world.containers.start(id);
  starting.catch(() => undefined);
  await world.clock.advance(1);
  await world.clock.complete(world.containers.stop(id, { ...asked, graceMs: 0 }));

  await world.clock.complete(got.ended);

  assert.equal(got.stdout, '');
});
