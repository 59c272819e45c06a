import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { suite, test } from 'node:test';
import type { StopResult } from '../../src/engine/index.ts';
import { World } from '../fakes/world.ts';
import { Berth, berth } from './support/berth.ts';
import { engineOf } from './support/engine-of.ts';
import { RunningTime } from './support/running-time.ts';
import { Served } from './support/serve.ts';

const COMMAND_LINES: readonly (readonly [words: string, code: number, message: RegExp])[] = [
  ['pss', 2, /^berth: Cannot do "pss": there is no such command, did you mean "ps"\?\n$/],
  ['ps --foo', 2, /^berth: Cannot read the command line: unknown option "--foo"; see "berth ps --help"\n$/],
  ['ps --quit', 2, /unknown option "--quit" \(Did you mean --quiet\?\); see "berth ps --help"\n$/],
  ['run', 2, /^berth: Cannot read the command line: missing required argument "image"; see "berth run --help"\n$/],
  ['run --memory', 2, /option "--memory <size>" argument missing; see "berth run --help"\n$/],
  ['run --memory lots img', 2, /^berth: Cannot read --memory "lots": must be a size like 64M or 1\.5G\n$/],
  ['run -t img sh', 1, /^berth: Cannot give it a terminal: -t is not there yet, leave it out\n$/],
  ['run -i img sh', 1, /^berth: Cannot pass input on: -i is not there yet, use "berth exec -i"\n$/],
  ['unpause web', 2, /^berth: Cannot do "unpause": there is no such command, did you mean "resume"\?\n$/],
  ['cp a b', 2, /^berth: Cannot do "cp": there is no such command, see "berth --help"\n$/],
  ['run img sh --env-file=/nonexistent', 1, /^berth: Cannot reach/],
  ['run --env-file /nonexistent img', 2, /^berth: Cannot read .*\/nonexistent.*\n$/],
  ['exec -t web sh', 1, /^berth: Cannot give it a terminal: -t is not there yet, leave it out\n$/],
  ['run -d --rm img', 1, /^berth: Cannot remove it after its exit: --rm does not go with --detach yet/],
  ['run --json img', 2, /^berth: Cannot print JSON: .* --json needs --detach\n$/],
  ['stop -t soon web', 2, /^berth: Cannot read --time "soon": must be a duration like 500ms, 10s or 1m30s\n$/],
  ['stop', 2, /^berth: Cannot tell what to stop: name containers, or give --all\n$/],
  ['stop --all web', 2, /^berth: Cannot tell what to stop/],
  ['logs --since noon web', 2, /^berth: Cannot read --since "noon": must be a duration/],
  ['why \x1b[31m\u202E', 1, /^berth: Cannot reach/],
  ['stop ', 2, /^berth: Cannot find "": must be a name or an id\n$/],
  ['doctor --adopt a --remove b', 2, /^berth: Cannot both adopt and remove/],
  ['serve --check --config /nonexistent.toml', 1, /^berth: Cannot read \/nonexistent\.toml: there is no such file\n$/],
];

suite('a command line that cannot be carried out gives one line and an exit code', () => {
  for (const [words, code, message] of COMMAND_LINES) {
    test(`berth ${JSON.stringify(words)}`, async () => {
      const outcome = await berth(words.split(' '));

      assert.match(outcome.stderr, message);
      assert.equal(outcome.stderr.split('\n').length, 2);
      assert.equal(outcome.stdout.toString(), '');
      assert.equal(outcome.code, code);
    });
  }
});

test('without a command, the commands are shown in groups; each has a help', async () => {
  const { stdout, code } = await berth([]);

  const names = [...stdout.toString().matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name = '']) => name);
  assert.equal(code, 0);
  assert.deepEqual(names.toSorted(), [
    ...['create', 'debts', 'doctor', 'events', 'exec', 'image', 'images', 'inspect', 'kill', 'load', 'logs', 'pause'],
    ...[
      'pods',
      'ps',
      'pull',
      'resume',
      'rm',
      'rmi',
      'run',
      'serve',
      'start',
      'stop',
      'timeline',
      'version',
      'wait',
      'why',
    ],
  ]);
  const helps = await Promise.all(names.map((name) => berth([name, '--help'])));
  for (const help of helps) {
    assert.match(help.stdout.toString(), /^Usage: berth /);
    assert.equal(help.code, 0);
    assert.equal(help.stderr, '');
  }
});

test('without a daemon, it says how to start one', async () => {
  const { stderr, code } = await berth(['ps'], { socket: '/nonexistent/berth.sock' });

  assert.equal(
    stderr,
    'berth: Cannot reach berth at "/nonexistent/berth.sock": there is no such socket: is the daemon running? ' +
      'start it with "berth serve"\n',
  );
  assert.equal(code, 1);
});

test('what the daemon says is told in one line, with the exit code of its kind', async () => {
  await using served = await Served.open(engineOf(new World()));

  const missing = await berth(['inspect', 'web'], { socket: served.socket });
  const unfit = await berth(['create', '--name', '-', 'test'], { socket: served.socket });

  assert.equal(missing.stderr, 'berth: Cannot find container "web": there is none\n');
  assert.equal(missing.code, 1);
  assert.equal(missing.stdout.toString(), '[]\n');
  assert.match(unfit.stderr, /^berth: Cannot create container: name is "-", must be letters/);
  assert.equal(unfit.code, 2);
});

test('an answer that is none of ours is told as such, without its control characters', async (t) => {
  await using served = await Served.open({});
  await served.go();
  const server = createServer((_, response) => response.writeHead(418).end('\x1b[2Jteapot'));
  t.after(() => server.close());
  server.listen(served.socket);
  await once(server, 'listening');

  const { stderr, code } = await berth(['ps'], { socket: served.socket });

  assert.equal(stderr, 'berth: Cannot understand the answer: status 418: \\x1b[2Jteapot\n');
  assert.equal(code, 1);
});

test('ps shows those that live, and -a all; -q and --json are for programs', async () => {
  const world = new World();
  const live = await world.run({}, { name: 'live', command: ['program-0', 'with\nnewline', 'x'.repeat(40)] });
  await world.create({}, { name: 'new', labels: { evil: '\x1b[2J\u202E' } });
  await using served = await Served.open(engineOf(world));
  const { socket } = served;

  const [some, all, ids, json] = await Promise.all([
    berth(['ps'], { socket }),
    berth(['ps', '-a'], { socket }),
    berth(['ps', '-q', '--no-trunc'], { socket }),
    berth(['ps', '-a', '--json'], { socket }),
  ]);

  const lines = some.stdout.toString().trimEnd().split('\n');
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /^ID {12}NAME {2}IMAGE {2}COMMAND +STATUS +CREATED$/);
  assert.match(
    lines[1] ?? '',
    new RegExp(`^${live.slice(0, 12)}  live  test   program-0 with\\\\nnewline x+…  running `),
  );
  assert.equal(all.stdout.toString().trimEnd().split('\n').length, 3);
  assert.equal(ids.stdout.toString(), `${live}\n`);
  const listed = JSON.parse(json.stdout.toString()) as { name: string; phase: string; labels: object }[];
  assert.deepEqual(listed.map(({ name, phase }) => `${name} ${phase}`).toSorted(), ['live running', 'new created']);
  assert.ok(!json.stdout.includes('\x1b') && !json.stdout.includes('\u202E'));
});

test('a reader that has seen enough ends it without a word', async () => {
  const world = new World();
  const view = await world.create({}, { name: 'one' });
  const many = Array.from({ length: 5_000 }, () => view); // more than a pipe holds
  await using served = await Served.open({ containers: { list: () => many } });

  const ps = new Berth(['ps', '-a'], { socket: served.socket });
  await ps.until(({ stdout }) => stdout.length > 0);
  ps.child.stdout?.destroy();
  const { code, stderr } = await ps.ended;

  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test('several are stopped at once; each that is notable has its line, and one failure counts for all', async () => {
  const world = new World();
  await world.run({ handlerAfterMs: 1, exitsAfterSignalMs: 50 }, { name: 'good' });
  await world.run({}, { name: 'deaf' });
  await world.run({ handlerAfterMs: 1, exitsAfterSignalMs: 3_000, exitCode: 4 }, { name: 'slow' });
  await world.run({ exitsAfterMs: 1 }, { name: 'gone' });
  await world.clock.advance(3_000);
  await using served = await Served.open(engineOf(world));
  await using _ = new RunningTime(world);

  const { stdout, stderr, code } = await berth(['stop', '-t', '5s', 'good', 'deaf', 'none', 'slow', 'gone'], served);

  const lines = stderr.trimEnd().split('\n');
  assert.equal(stdout.toString(), '');
  assert.equal(code, 1);
  assert.equal(lines.length, 4, stderr);
  assert.ok(lines.includes('berth: Cannot find container "none": there is none'));
  assert.ok(lines.includes('berth: gone: nothing to stop: it was not running'));
  assert.match(stderr, /^berth: deaf: SIGTERM was ignored by PID 1; killed with SIGKILL after 5(\.\d+)?s$/m);
  assert.match(stderr, /^berth: slow: SIGTERM was delivered; exited with code 4 after 3(\.\d+)?s$/m);
  assert.equal(world.phase(world.containers.get('good').row.spec.id), 'exited');
});

test('all that runs is stopped with one word', async () => {
  const world = new World();
  const program = { handlerAfterMs: 1, exitsAfterSignalMs: 50 };
  const ids = [await world.run(program), await world.run(program)];
  const { row } = await world.create(program);
  await world.clock.advance(3_000);
  await using served = await Served.open(engineOf(world));
  await using _ = new RunningTime(world);

  const { code, stderr } = await berth(['stop', '--all'], served);

  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(
    [...ids, row.spec.id].map((id) => world.phase(id)),
    ['exited', 'exited', 'created'],
  );
});

test('a stop is waited for although the daemon is restarted in its middle', async () => {
  const asked = Promise.withResolvers<void>();
  let tries = 0;
  const stop = (): Promise<StopResult> => {
    tries += 1;
    if (tries > 1) return Promise.resolve({ changed: false });
    asked.resolve();
    return new Promise(() => undefined);
  };
  await using served = await Served.open({ containers: { stop } });

  const stopping = new Berth(['stop', 'web'], served);
  await asked.promise;
  await served.go();
  await stopping.until(({ stderr }) => stderr.includes('went away'));
  await served.come();
  const { code, stderr } = await stopping.ended;

  assert.equal(code, 0);
  assert.equal(tries, 2);
  assert.match(stderr, /^berth: The daemon went away; .*\nberth: The daemon is back\n$/);
});

test('the signal, the grace and the reason of a stop reach the daemon', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 1, exitsAfterSignalMs: 10 }, { name: 'web' });
  await world.clock.advance(3_000);
  await using served = await Served.open(engineOf(world));
  await using _ = new RunningTime(world);

  const { code } = await berth(['stop', '-s', 'int', '-t', 'never', '--reason', 'a "reason"', 'web'], served);

  const asked = world.containers.history(id).find(({ type }) => type === 'stop.requested');
  assert.equal(code, 0);
  assert.deepEqual(asked?.body, {
    signal: 'SIGINT',
    requester: 'cli (uid 0, pid 1)',
    reason: 'a "reason"',
    isKill: false,
  });
});

test('wait prints the codes in the order of the names, and waits through a restart of the daemon', async () => {
  const world = new World();
  await world.run({ exitsAfterMs: 1, exitCode: 3 }, { name: 'quick' });
  await world.run({ handlerAfterMs: 1, exitsAfterSignalMs: 10, exitCode: 5 }, { name: 'slow' });
  await world.clock.advance(3_000);
  const asked = Promise.withResolvers<void>();
  const containers = {
    wait: (id: string) => {
      if (id === 'slow') asked.resolve();
      return world.containers.wait(id);
    },
  };
  await using served = await Served.open(engineOf(world, containers));

  const waiting = new Berth(['wait', 'slow', 'quick'], served);
  await asked.promise;
  await served.go();
  await waiting.until(({ stderr }) => stderr.includes('The daemon went away'));
  await served.come();
  await waiting.until(({ stderr }) => stderr.includes('The daemon is back'));
  await world.clock.complete(world.containers.stop('slow', { requester: 'test' }));
  const { code, stdout } = await waiting.ended;

  assert.equal(stdout.toString(), '5\n3\n');
  assert.equal(code, 0);
});

test('a finding and its sentence are told by why, neutral and as JSON', async () => {
  const answer = {
    container: 'c',
    name: 'web',
    phase: 'stopping',
    summary: 'It waits',
    findings: [{ kind: 'stuck-process' as const, text: 'Process 4 (\x1b[31m) hangs' }],
  };
  await using served = await Served.open({ containers: { why: () => answer } });

  const words = await berth(['why', 'web'], served);
  const json = await berth(['why', '--json', 'web'], served);

  assert.equal(words.stdout.toString(), 'web: It waits\n  - Process 4 (\\x1b[31m) hangs\n');
  assert.deepEqual(JSON.parse(json.stdout.toString()), answer);
});

test('the timeline of a real stop is drawn, also after the container was removed', async () => {
  const world = new World();
  const id = await world.run({ handlerAfterMs: 1, exitsAfterSignalMs: 3_000 }, { name: 'web' });
  await world.clock.advance(3_000);
  await world.clock.complete(world.containers.stop(id, { requester: 'test', reason: 'deploy' }));
  await world.clock.advance(1_000);
  await world.clock.complete(world.containers.remove(id, { requester: 'test' }));
  await using served = await Served.open(engineOf(world, { history: (wanted) => world.containers.history(wanted) }));

  const { stdout } = await berth(['timeline', id], served);

  const words = stdout.toString().replace(/^ {2}\S+ +(\+\S+ +)?/gm, '  ');
  assert.deepEqual(words.trimEnd().split('\n').slice(2), [
    '  created',
    'run 1',
    '  started, PID 1 is process 100',
    '  stop asked by test (grace 10s, reason "deploy")',
    '  SIGTERM sent (delivered)',
    '  exited with code 0, cause stop, log complete, 3s after SIGTERM',
    '  cleaned',
    '  removed',
    'one stop signal, exited 3s after it, nothing left to clean',
  ]);
});

test('events are told in words or as JSON, and only those of one container when asked', async () => {
  const world = new World();
  await world.run({ exitsAfterMs: 1, exitCode: 3 }, { name: 'quick' });
  await world.create({}, { name: 'other' });
  await world.clock.advance(1_000);
  const { engine } = world;
  const parts = {
    ...engineOf(world),
    events: (options = {}) => engine.events(options),
    eventsUpTo: (after: number, last: number) => engine.eventsUpTo(after, last),
    lastEvent: engine.lastEvent,
  };
  await using served = await Served.open(parts);

  const words = await berth(['events', '--container', 'quick'], served);
  const json = await berth(['events', '--json', '--after', '1'], served);

  const id = world.containers.get('quick').row.spec.id.slice(0, 12);
  assert.match(
    words.stdout.toString(),
    new RegExp(`^\\d+ {2}\\S+ \\S+ {2}${id} {2}exited with code 3, cause self`, 'm'),
  );
  assert.ok(
    words.stdout
      .toString()
      .split('\n')
      .every((line) => line === '' || line.includes(id)),
  );
  const numbers = json.stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: number }).n);
  assert.deepEqual(
    numbers,
    Array.from({ length: engine.lastEvent - 1 }, (__, index) => index + 2),
  );
});

test('version shows both sides', async () => {
  await using served = await Served.open(engineOf(new World()));

  const { stdout, code } = await berth(['version'], served);

  assert.match(stdout.toString(), /^client {2}\S+ \(Node\.js v\d+\S*\)\ndaemon {2}0\.1\.0 \(API v1, process \d+\)\n$/);
  assert.equal(code, 0);
});
