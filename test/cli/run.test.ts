import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine, LogQuery } from '../../src/engine/ports.ts';
import { World } from '../fakes/world.ts';
import { Berth, berth } from './support/berth.ts';
import { engineOf } from './support/engine-of.ts';
import { RunningTime } from './support/running-time.ts';
import { Served } from './support/serve.ts';

const line = (text: string, stream: LogLine['stream'] = 'stdout', isPartial = false): LogLine => ({
  time: '2026-11-20T17:45:03.120000000+00:00',
  stream,
  data: Buffer.from(text),
  isPartial,
});

/** The log of a container whose run is over when `ended` resolves. */
function logUntil(ended: Promise<unknown>, ...lines: readonly LogLine[]) {
  return async function* logs(): AsyncGenerator<LogLine> {
    yield* lines;
    await ended;
  };
}

/** A world in which the next container runs this program. */
function worldWith(program: Parameters<World['create']>[0]): World {
  const world = new World();
  world.host.programs.set('it', program);
  return world;
}

const untilExit = (world: World) => world.containers.wait('web');

test('a foreground run shows both streams and exits with the code of the container', async () => {
  const world = worldWith({ exitsAfterMs: 10, exitCode: 42 });
  const logs = logUntil(Promise.resolve(), line('out'), line('err', 'stderr'), line('no end', 'stdout', true));
  await using served = await Served.open(engineOf(world, { logs }));
  await using _ = new RunningTime(world);

  const { code, stdout, stderr } = await berth(['run', '--name', 'web', 'test', 'it'], served);

  assert.equal(code, 42);
  assert.equal(stdout.toString(), 'out\nno end');
  assert.equal(stderr, 'err\n');
  assert.equal(world.phase(world.containers.get('web').row.spec.id), 'exited');
});

test('--rm removes it after its exit', async () => {
  const world = worldWith({ exitsAfterMs: 10, exitCode: 1 });
  await using served = await Served.open(engineOf(world, { logs: logUntil(Promise.resolve()) }));
  await using _ = new RunningTime(world);

  const { code, stderr } = await berth(['run', '--rm', 'test', 'it'], served);

  assert.equal(stderr, '');
  assert.equal(code, 1);
  assert.deepEqual(world.containers.list(), []);
});

test('-d prints the whole id and does not wait', async () => {
  const world = worldWith({});
  await using served = await Served.open(engineOf(world));
  await using _ = new RunningTime(world);

  const { code, stdout } = await berth(['run', '-d', '--name', 'web', 'test', 'it'], served);

  assert.equal(code, 0);
  assert.equal(stdout.toString(), `${world.containers.get('web').row.spec.id}\n`);
});

test('a program that is not there gives 127 and one line', async () => {
  const world = worldWith({ startFailure: { exitCode: 127, message: 'executable file `it` not found' } });
  await using served = await Served.open(engineOf(world));
  await using _ = new RunningTime(world);

  const { code, stderr } = await berth(['run', '--name', 'web', 'test', 'it'], served);

  assert.equal(stderr, 'berth: Cannot start container "web": executable file `it` not found\n');
  assert.equal(code, 127);
});

test('the first SIGINT asks for a stop with the grace of the container and says so', async () => {
  const world = worldWith({ handlerAfterMs: 1, exitsAfterSignalMs: 50, exitCode: 7 });
  const logs = () => logUntil(untilExit(world), line('ready'))();
  await using served = await Served.open(engineOf(world, { logs }));
  await using _ = new RunningTime(world);

  const run = new Berth(['run', '--name', 'web', '--stop-grace', '1h', 'test', 'it'], served);
  await run.until(({ stdout }) => stdout.includes('ready'));
  run.child.kill('SIGINT');
  const { code, stderr } = await run.ended;

  const exit = world.containers.get('web').row.state;
  assert.equal(stderr, 'berth: SIGINT: stopping web, it has 1h0m for that; once more kills it\n');
  assert.equal(code, 7);
  assert.ok(exit.phase === 'exited');
  assert.equal(exit.exit.cause, 'stop');
  assert.equal(exit.exit.reason, 'SIGINT to berth run');
});

test('the second signal kills it', async () => {
  const world = worldWith({ handlerAfterMs: 1 });
  const logs = () => logUntil(untilExit(world), line('ready'))();
  await using served = await Served.open(engineOf(world, { logs }));
  await using _ = new RunningTime(world, 1);

  const run = new Berth(['run', '--name', 'web', '--stop-grace', '1d', 'test', 'it'], served);
  await run.until(({ stdout }) => stdout.includes('ready'));
  run.child.kill('SIGTERM');
  await run.until(({ stderr }) => stderr.includes('stopping web'));
  run.child.kill('SIGINT');
  const { code, stderr } = await run.ended;

  assert.match(stderr, /^berth: SIGINT again: killing web$/m);
  assert.equal(code, 137);
});

test('when nobody reads its output any more, the container is stopped', async () => {
  const world = worldWith({ handlerAfterMs: 1, exitsAfterSignalMs: 50, exitCode: 0 });
  async function* logs(): AsyncGenerator<LogLine> {
    const ended = untilExit(world);
    let isOver = false;
    void ended.then(() => (isOver = true));
    while (!isOver) {
      yield line('y'.repeat(8_000));
      await world.clock.sleep(1); // as fast as a program that prints for ever
    }
  }
  await using served = await Served.open(engineOf(world, { logs }));
  await using _ = new RunningTime(world);

  const run = new Berth(['run', '--name', 'web', 'test', 'it'], served);
  await run.until(({ stdout }) => stdout.length > 0);
  run.child.stdout?.destroy();
  const { code, stderr } = await run.ended;

  const { state } = world.containers.get('web').row;
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.ok(state.phase === 'exited');
  assert.equal(state.exit.reason, 'nobody reads its output any more');
});

test('a daemon that is restarted in the middle of a run is waited for, and nothing is lost or shown twice', async () => {
  const world = worldWith({ handlerAfterMs: 1, exitsAfterSignalMs: 50, exitCode: 9 });
  const printed = [
    ['03.100000001', 'one'],
    ['03.100000002', 'two'],
    ['03.100000002', 'three'],
    ['03.100000002', 'four'],
    ['04.000000001', 'five'],
  ].map(([time = '', text = '']) => ({ ...line(text), time: `2026-11-20T17:45:${time}+00:00` }));
  const asked: (number | undefined)[] = [];
  async function* logs(_: string, { since }: LogQuery): AsyncGenerator<LogLine> {
    asked.push(since);
    yield* asked.length === 1 ? printed.slice(0, 3) : printed;
    await untilExit(world);
  }
  await using served = await Served.open(engineOf(world, { logs }));
  await using _ = new RunningTime(world, 1);

  const run = new Berth(['run', '--name', 'web', 'test', 'it'], served);
  await run.until(({ stdout }) => stdout.includes('three'));
  await served.go();
  await run.until(({ stderr }) => stderr.includes('The daemon went away; the container runs on'));
  await served.come();
  await run.until(({ stdout }) => stdout.includes('five'));
  await world.clock.complete(world.containers.stop('web', { requester: 'test' }));
  const { code, stdout, stderr } = await run.ended;

  assert.equal(stdout.toString(), 'one\ntwo\nthree\nfour\nfive\n');
  assert.equal(code, 9);
  assert.match(stderr, /^berth: The daemon is back$/m);
  assert.deepEqual(asked, [undefined, Date.parse('2026-11-20T17:45:03.100Z')]);
});
