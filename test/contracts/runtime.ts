import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalNumber } from '../../src/base/signals.ts';
import type { ContainerSpec } from '../../src/engine/container/spec.ts';
import type { RunProcesses } from '../../src/engine/container/state.ts';
import type { InitEnd, RunRef, Runtime, RunWatch } from '../../src/engine/ports.ts';
import { Collected } from '../support/collect.ts';

/**
 * What a container of this suite runs. `counter` handles SIGTERM and goes on, `polite` exits with 7 on it, `deaf` has no
 * handler, `brief` exits with 3 by itself, `missing` cannot be found, `echo` prints "ready", then what it is given, and
 * exits with 0 at the end of that.
 */
export type ProgramName = 'counter' | 'polite' | 'deaf' | 'brief' | 'missing' | 'echo';

/** Left out: it has none of it. */
type StreamFlags = Partial<Pick<ContainerSpec['process'], 'hasTerminal' | 'hasStdin' | 'isStdinOnce'>>;

export interface RuntimeUnderTest extends AsyncDisposable {
  readonly runtime: Runtime;
  /** The kernel tells how a process ended although its parent has reaped it. Otherwise that is told if it is not too late. */
  readonly tellsEveryEnd: boolean;
  /** Boottime in ms. */
  now(): number;
  /** Prepares a run, with its root mounted. */
  prepare(program: ProgramName, streams?: StreamFlags): Promise<RunRef>;
  /** How many stop signals a `counter` has seen. */
  received(run: RunRef): number;
  /** Waits for what takes time, in whatever way time passes here. */
  complete<T>(promise: Promise<T>): Promise<T>;
  until(isTrue: () => boolean): Promise<void>;
  /** What is left on the host; nothing, when all is clean. */
  census(): string[];
  /** Starts another daemon's runtime on the same host, as after `kill -9`. */
  restart(): Promise<void>;
}

const TERM = signalNumber('SIGTERM');
const KILL = signalNumber('SIGKILL');

interface Started extends RunProcesses {
  readonly run: RunRef;
  readonly watch: RunWatch;
}

async function start(tested: RuntimeUnderTest, program: ProgramName, streams: StreamFlags = {}): Promise<Started> {
  const run = await tested.prepare(program, streams);
  const made = await tested.complete(tested.runtime.create(run, new AbortController().signal));
  assert.ok('init' in made, `created: ${JSON.stringify(made)}`);
  const watch = tested.runtime.watch(run, made);
  await tested.complete(tested.runtime.release(run));
  if (program === 'counter' || program === 'polite') {
    await tested.until(() => tested.runtime.viewSignal(made.init, TERM)?.disposition === 'caught');
  }
  return { run, watch, ...made };
}

/** By both witnesses: the process itself, as far as this host tells its end, and the monitor. */
async function assertEnd(tested: RuntimeUnderTest, watch: RunWatch, expected: InitEnd['wait']): Promise<void> {
  const end = await tested.complete(watch.initEnded);
  if (end.wait !== undefined || tested.tellsEveryEnd) assert.deepEqual(end.wait, expected);
  await tested.complete(watch.monitorEnded);
  assert.equal((await watch.readExitFile())?.code, expected?.code);
}

async function clean(tested: RuntimeUnderTest, run: RunRef): Promise<void> {
  for (const step of tested.runtime.cleanSteps(run)) await tested.complete(step.perform());
}

/** The contract of the port Runtime: every driver passes it, and so does the fake that the engine is tested with. */
export function testRuntime(name: string, open: () => Promise<RuntimeUnderTest>): void {
  const check = (what: string, work: (tested: RuntimeUnderTest) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const tested = await open();
      try {
        await work(tested);
        assert.deepEqual(tested.census(), []);
      } finally {
        await tested[Symbol.asyncDispose]();
      }
    });
  };

  check('a created run does not run yet; a released one does, and its exit code is exact', async (tested) => {
    const run = await tested.prepare('brief');
    const made = await tested.complete(tested.runtime.create(run, new AbortController().signal));
    assert.ok('init' in made);
    using watch = tested.runtime.watch(run, made);
    assert.equal(tested.runtime.isAlive(made.init), true);
    assert.equal(await watch.readExitFile(), undefined);

    await tested.complete(tested.runtime.release(run));

    await assertEnd(tested, watch, { code: 3, signal: undefined });
    assert.equal(tested.runtime.isAlive(made.init), false);
    await clean(tested, run);
  });

  check('releasing twice is as good as once', async (tested) => {
    const { run, init } = await start(tested, 'counter');
    await tested.complete(tested.runtime.release(run));
    assert.equal(tested.runtime.isAlive(init), true);
    await clean(tested, run);
  });

  check('a command that is not there is a failure of the start with code 127', async (tested) => {
    const run = await tested.prepare('missing');
    const made = await tested.complete(tested.runtime.create(run, new AbortController().signal));
    assert.ok('exitCode' in made);
    assert.equal(made.exitCode, 127);
    assert.match(made.message, /not found/);
    await clean(tested, run);
  });

  check('a create that is aborted leaves nothing that lives', async (tested) => {
    const run = await tested.prepare('counter');
    const abort = new AbortController();
    const making = tested.runtime.create(run, abort.signal);
    abort.abort();
    await assert.rejects(tested.complete(making), { code: 'Cancelled' });
    await clean(tested, run);
  });

  check('a signal to a frozen run is pending until the thaw, and is delivered once', async (tested) => {
    const { run, init } = await start(tested, 'counter');

    assert.equal(await tested.complete(tested.runtime.freeze(run, 1_000)), true);
    assert.equal(tested.runtime.frozenBy(run), 'itself');
    assert.equal(tested.runtime.viewSignal(init, TERM)?.isPending, false);
    assert.equal(tested.runtime.signal(run, init, TERM), true);
    assert.equal(tested.runtime.viewSignal(init, TERM)?.isPending, true);
    tested.runtime.thaw(run);
    await tested.until(() => tested.received(run) === 1);

    assert.equal(tested.runtime.frozenBy(run), 'nobody');
    assert.equal(tested.received(run), 1);
    await clean(tested, run);
  });

  check('a PID 1 without a handler never has its signal pending', async (tested) => {
    const { run, init } = await start(tested, 'deaf');
    await tested.complete(tested.runtime.freeze(run, 1_000));
    tested.runtime.signal(run, init, TERM);

    assert.deepEqual(tested.runtime.viewSignal(init, TERM), { isPending: false, disposition: 'default' });
    tested.runtime.thaw(run);
    assert.equal(tested.runtime.isAlive(init), true);
    await clean(tested, run);
  });

  check('a paused run is frozen, runs on when resumed, and dies of SIGKILL while paused', async (tested) => {
    const { run, init, watch } = await start(tested, 'counter');
    await tested.complete(tested.runtime.pause(run));
    assert.equal(tested.runtime.frozenBy(run), 'itself');
    await tested.complete(tested.runtime.resume(run));
    assert.equal(tested.runtime.frozenBy(run), 'nobody');

    await tested.complete(tested.runtime.pause(run));
    tested.runtime.killAll(run);

    await assertEnd(tested, watch, { code: 137, signal: KILL });
    assert.equal(tested.runtime.signal(run, init, TERM), false, 'it is gone');
    await clean(tested, run);
  });

  check('to kill one run leaves the others alone', async (tested) => {
    const one = await start(tested, 'counter');
    const other = await start(tested, 'counter');

    tested.runtime.killAll(one.run);
    await assertEnd(tested, one.watch, { code: 137, signal: KILL });
    await clean(tested, one.run);

    assert.equal(tested.runtime.isAlive(other.init), true);
    await clean(tested, other.run);
  });

  check('what a run uses is told while there is something of it', async (tested) => {
    const run = await tested.prepare('deaf');
    assert.equal(tested.runtime.usage(run), undefined);
    await tested.complete(tested.runtime.create(run, new AbortController().signal));
    await tested.complete(tested.runtime.release(run));

    const usage = tested.runtime.usage(run);

    assert.equal(usage?.processes, 1);
    assert.ok(usage.at > 0);
    await clean(tested, run);
    assert.equal(tested.runtime.usage(run), undefined);
  });

  check('a guard kills at its time, and tells that it did', async (tested) => {
    const { run, init, watch } = await start(tested, 'counter');
    const guard = await tested.complete(
      tested.runtime.armGuard(run, { init, killAt: tested.now() + 300, signal: TERM }),
    );

    await assertEnd(tested, watch, { code: 137, signal: KILL });
    assert.notEqual((await tested.complete(tested.runtime.observe(run)))?.guardFiredAt, undefined);
    await tested.complete(guard.cancel());
    await clean(tested, run);
  });

  check('a guard that is cancelled kills nothing', async (tested) => {
    const { run, init } = await start(tested, 'counter');
    const guard = await tested.complete(
      tested.runtime.armGuard(run, { init, killAt: tested.now() + 200, signal: TERM }),
    );
    await tested.complete(guard.cancel());
    const other = await tested.complete(
      tested.runtime.armGuard(run, { init, killAt: tested.now() + 60_000, signal: TERM }),
    );
    await tested.complete(tested.runtime.endGuards(run));
    await tested.complete(other.cancel());

    assert.equal(tested.runtime.isAlive(init), true);
    await clean(tested, run);
  });

  check('another daemon finds the run as it is, with the row that stood beside it', async (tested) => {
    const { run, init, monitor } = await start(tested, 'polite');
    await tested.restart();

    const runs = await tested.complete(tested.runtime.find());
    const found = await tested.complete(tested.runtime.observe(run));

    assert.deepEqual(runs, [run]);
    assert.ok(found);
    assert.deepEqual(found.processes, { init, monitor });
    assert.equal(found.isInitAlive, true);
    assert.equal(found.isMonitorAlive, true);
    assert.equal(found.frozenBy, 'nobody');
    assert.equal(found.saved?.row.spec.id, run.containerId);
    using watch = tested.runtime.watch(run, { init, monitor });
    tested.runtime.signal(run, init, TERM);
    await assertEnd(tested, watch, { code: 7, signal: undefined });
    await clean(tested, run);
  });

  check('a watch on what has ended long ago ends at once', async (tested) => {
    const { run, init, monitor, watch } = await start(tested, 'brief');
    await tested.complete(watch.monitorEnded);

    using late = tested.runtime.watch(run, { init, monitor });
    await tested.complete(Promise.all([late.initEnded, late.monitorEnded]));

    assert.equal((await late.readExitFile())?.code, 3);
    await clean(tested, run);
  });

  check('cleaning a run that lives ends it, and cleaning again finds nothing to do', async (tested) => {
    const { run } = await start(tested, 'counter');
    await clean(tested, run);
    await clean(tested, run);
    assert.equal(await tested.complete(tested.runtime.observe(run)), undefined);
  });

  check('a monitor that is killed takes nobody with it: the end is still seen, with its exact code', async (tested) => {
    const { run, init, monitor, watch } = await start(tested, 'polite');
    tested.runtime.killMonitor(monitor);
    await tested.complete(watch.monitorEnded);
    assert.equal(tested.runtime.isAlive(init), true);
    assert.equal(await watch.readExitFile(), undefined);

    tested.runtime.signal(run, init, TERM);
    const end = await tested.complete(watch.initEnded);

    assert.equal(end.wait?.code, 7);
    await clean(tested, run);
  });

  check('whoever attaches before the release gets what is printed first, and each its own copy', async (tested) => {
    const run = await tested.prepare('echo', { hasStdin: true });
    const made = await tested.complete(tested.runtime.create(run, new AbortController().signal));
    assert.ok('init' in made);
    using one = await tested.complete(tested.runtime.attach(run, { hasInput: true, hasOutput: true }));
    using other = await tested.complete(tested.runtime.attach(run, { hasInput: false, hasOutput: true }));
    const [got, seen] = [new Collected(one.output), new Collected(other.output)];
    await tested.complete(tested.runtime.release(run));
    await tested.until(() => got.stdout.includes('ready'));

    await tested.complete(one.write(Buffer.from('fed\n')));
    await tested.until(() => got.stdout.includes('fed') && seen.stdout.includes('fed'));

    assert.deepEqual([got.stdout, seen.stdout], ['ready\nfed\n', 'ready\nfed\n']);
    await clean(tested, run);
    await tested.complete(Promise.all([got.ended, seen.ended]));
  });

  check('an input for one client ends with the first client that had it, and with nobody else', async (tested) => {
    const { run, watch } = await start(tested, 'echo', { hasStdin: true, isStdinOnce: true });
    const watching = await tested.complete(tested.runtime.attach(run, { hasInput: false, hasOutput: true }));
    watching[Symbol.dispose]();
    const writer = await tested.complete(tested.runtime.attach(run, { hasInput: true, hasOutput: true }));
    const got = new Collected(writer.output);
    await tested.complete(writer.write(Buffer.from('fed\n')));
    await tested.until(() => got.stdout.includes('fed'));

    writer[Symbol.dispose]();

    await assertEnd(tested, watch, { code: 0, signal: undefined });
    await clean(tested, run);
  });

  check('an input that is for all outlives those who leave', async (tested) => {
    const { run, init } = await start(tested, 'echo', { hasStdin: true });
    const first = await tested.complete(tested.runtime.attach(run, { hasInput: true, hasOutput: false }));
    first.closeInput();
    first[Symbol.dispose]();

    using second = await tested.complete(tested.runtime.attach(run, { hasInput: true, hasOutput: true }));
    const got = new Collected(second.output);
    await tested.complete(second.write(Buffer.from('again\n')));
    await tested.until(() => got.stdout.includes('again'));

    assert.equal(tested.runtime.isAlive(init), true);
    await clean(tested, run);
  });

  check('a terminal can be resized before its program runs and while it does', async (tested) => {
    const run = await tested.prepare('echo', { hasTerminal: true, hasStdin: true });
    const made = await tested.complete(tested.runtime.create(run, new AbortController().signal));
    assert.ok('init' in made);
    await tested.complete(tested.runtime.resize(run, { width: 80, height: 24 }));
    await tested.complete(tested.runtime.release(run));
    await tested.complete(tested.runtime.resize(run, { width: 132, height: 50 }));

    tested.runtime.killMonitor(made.monitor);
    await tested.until(() => !tested.runtime.isAlive(made.monitor));
    await assert.rejects(tested.complete(tested.runtime.resize(run, { width: 80, height: 24 })), {
      code: 'WrongState',
    });
    const attaching = tested.runtime.attach(run, { hasInput: true, hasOutput: true });
    await assert.rejects(tested.complete(attaching), { code: 'Unavailable' });
    await clean(tested, run);
  });
}
