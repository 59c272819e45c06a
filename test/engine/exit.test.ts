import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitRecord } from '../../src/engine/container/exit.ts';
import type { SandboxedExit } from '../../src/engine/container/exit.ts';
import type { LiveRun, StopState } from '../../src/engine/container/state.ts';
import type { ExitFact } from '../../src/engine/container/witness.ts';
import { witnessExit, witnessLog } from '../../src/engine/container/witness.ts';

import type { ExitFile, InitEnd, RunWatch } from '../../src/engine/ports.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { World } from '../fakes/world.ts';

const processes = {
  init: { bootId: 'b', pid: 1, startTime: 1 },
  monitor: { bootId: 'b', pid: 2, startTime: 1 },
};
const live: LiveRun = { number: 1, processes, startedAt: 100, startedBoot: 0 };
const stop: StopState = {
  phase: 'sent',
  signal: 'SIGTERM',
  method: 'frozen',
  delivery: 'delivered',
  requestedAt: 1,
  requester: 'ann',
  reason: 'deploy',
  cause: 'stop',
  joined: [],
};
const kill = { requester: 'bob' };

function fact(given: Partial<SandboxedExit>): SandboxedExit {
  return {
    at: 1_000,
    code: 0,
    signal: undefined,
    isSignalDerived: false,
    witness: 'pidfd',
    log: 'complete',
    isMonitorLost: false,
    isSandboxOver: false,
    ...given,
  };
}

const killed = fact({ code: 137, signal: 9 });

const table: readonly (readonly [string, LiveRun, SandboxedExit, number, string, string | undefined])[] = [
  ['ends by itself', live, fact({ code: 3 }), 0, 'self', undefined],
  ['returns 137 by itself', live, fact({ code: 137 }), 0, 'self', undefined],
  ['is killed by somebody on the host', live, killed, 0, 'self', undefined],
  ['is killed for want of memory', live, killed, 2, 'oom', undefined],
  ['ends by itself while a child is killed for want of memory', live, fact({ code: 1 }), 1, 'self', undefined],
  ['ends in a stop', { ...live, stop }, fact({ code: 0 }), 0, 'stop', 'ann'],
  ['is killed at the end of a stop', { ...live, stop: { ...stop, phase: 'killing' } }, killed, 0, 'stop', 'ann'],
  [
    'is killed at the end of a stop, with processes killed for want of memory',
    { ...live, stop: { ...stop, phase: 'killing' } },
    killed,
    3,
    'stop',
    'ann',
  ],
  ['is killed for want of memory during the grace', { ...live, stop }, killed, 1, 'oom', undefined],
  [
    'ends before its stop signal was sent',
    { ...live, stop: { ...stop, phase: 'sending' } },
    fact({ code: 5 }),
    0,
    'self',
    undefined,
  ],
  [
    'is killed by a guard before its stop signal was seen to be sent',
    { ...live, stop: { ...stop, phase: 'sending' } },
    killed,
    0,
    'stop',
    'ann',
  ],
  ['is killed because somebody said so', { ...live, kill }, killed, 0, 'kill', 'bob'],
  ['ends by itself although somebody said kill', { ...live, kill }, fact({ code: 0 }), 0, 'self', undefined],
  ['loses its monitor', live, fact({ code: 137, signal: 9, isMonitorLost: true }), 0, 'monitor-lost', undefined],
  ['loses its PID namespace', live, { ...killed, isSandboxOver: true }, 0, 'sandbox', undefined],
  ['loses its sandbox', { ...live, stop: { ...stop, cause: 'sandbox' } }, killed, 0, 'sandbox', 'ann'],
];

for (const [name, current, seen, oomKills, cause, requester] of table) {
  test(`a container that ${name}: cause ${cause}`, () => {
    const record = exitRecord(1, current, seen, oomKills, true);
    assert.equal(record.cause, cause);
    assert.equal(record.requester, requester);
    assert.equal(record.isOom, cause === 'oom');
  });
}

test('a signal that is only known from the code is marked', () => {
  const record = exitRecord(
    1,
    live,
    fact({ code: 143, signal: 15, isSignalDerived: true, witness: 'monitor' }),
    0,
    true,
  );
  assert.equal(record.signal, 'SIGTERM');
  assert.equal(record.isSignalDerived, true);
});

/** A run whose ends and exit file come when the test says. */
function makeWatch() {
  const init = Promise.withResolvers<InitEnd>();
  const monitor = Promise.withResolvers<void>();
  let file: ExitFile | undefined;
  const watch: RunWatch = {
    initEnded: init.promise,
    monitorEnded: monitor.promise,
    readExitFile: () => Promise.resolve(file),
    [Symbol.dispose]: () => undefined,
  };
  return {
    watch,
    endInit: (wait: InitEnd['wait']) => init.resolve({ at: 0, wait }),
    writeFile: (code: number) => (file = { code, at: 1 }),
    endMonitor: () => monitor.resolve(),
  };
}

async function tellIn(clock: ManualClock, watch: RunWatch): Promise<{ seen: ExitFact; tookMs: number }> {
  const begunAt = clock.now();
  const seen = await clock.complete(witnessExit(watch, { clock, onLostMonitor: () => undefined }), 10_000);
  return { seen, tookMs: clock.now() - begunAt };
}

test('with both witnesses the exact code of the pidfd is told, when the monitor is done', async () => {
  const clock = new ManualClock();
  const run = makeWatch();
  clock.after(10, () => run.endInit({ code: 137, signal: 9 }));
  clock.after(30, () => {
    run.writeFile(137);
    run.endMonitor();
  });
  const { seen, tookMs } = await tellIn(clock, run.watch);
  assert.deepEqual([seen.code, seen.signal, seen.witness, seen.log, tookMs], [137, 9, 'pidfd', 'complete', 30]);
});

test('a monitor that takes its time holds the exit up by 150 ms, and its log is waited for afterwards', async () => {
  const clock = new ManualClock();
  const run = makeWatch();
  clock.after(10, () => run.endInit({ code: 0, signal: undefined }));
  clock.after(900, () => {
    run.writeFile(0);
    run.endMonitor();
  });
  const { seen, tookMs } = await tellIn(clock, run.watch);
  assert.deepEqual([seen.log, tookMs], ['pending', 160]);
  assert.equal(await clock.complete(witnessLog(run.watch, clock)), 'complete');
});

test('a monitor that never ends gives a log that is cut after 2 s', async () => {
  const clock = new ManualClock();
  const run = makeWatch();
  run.endInit({ code: 0, signal: undefined });
  await tellIn(clock, run.watch);
  const begunAt = clock.now();
  assert.equal(await clock.complete(witnessLog(run.watch, clock)), 'cut');
  assert.equal(clock.now() - begunAt, 1_850);
});

test('a code that the pidfd could not tell is waited for, 2 s at the most', async () => {
  const clock = new ManualClock();
  const late = makeWatch();
  late.endInit(undefined);
  clock.after(1_000, () => {
    late.writeFile(4);
    late.endMonitor();
  });
  const { seen } = await tellIn(clock, late.watch);
  assert.deepEqual([seen.code, seen.witness], [4, 'monitor']);

  const never = makeWatch();
  never.endInit(undefined);
  const { seen: unknown, tookMs } = await tellIn(clock, never.watch);
  assert.deepEqual([unknown.code, unknown.witness, unknown.log, tookMs], [undefined, 'none', 'cut', 2_000]);
});

test('a monitor that ends without a word while its container lives is lost', async () => {
  const clock = new ManualClock();
  const run = makeWatch();
  let isTold = false;
  run.endMonitor();
  const telling = witnessExit(run.watch, {
    clock,
    onLostMonitor: () => {
      isTold = true;
      run.endInit({ code: 137, signal: 9 });
    },
  });
  const seen = await clock.complete(telling);
  assert.deepEqual([isTold, seen.isMonitorLost, seen.code, seen.log], [true, true, 137, 'cut']);
});

test('a monitor that is killed in the moment of the exit does not make it a lost one', async () => {
  const clock = new ManualClock();
  const run = makeWatch();
  run.endMonitor();
  run.endInit({ code: 6, signal: undefined });
  const { seen } = await tellIn(clock, run.watch);
  assert.deepEqual([seen.isMonitorLost, seen.code, seen.log], [false, 6, 'cut']);
});

test('a killed monitor fences its container, unless it is told to leave it', async () => {
  for (const [lostMonitor, cause] of [
    ['stop', 'monitor-lost'],
    ['keep', 'self'],
  ] as const) {
    const world = new World({ lostMonitor });
    const id = await world.run({ handlerAfterMs: 1, exitsAfterMs: 60_000, exitCode: 8 });
    await world.clock.advance(1_000);
    for (const run of world.host.runs.values()) run.monitor?.end();

    const exit = await world.clock.complete(world.containers.wait(id));

    assert.equal(exit.cause, cause);
    assert.equal(exit.log, 'cut');
    assert.equal(exit.code, lostMonitor === 'stop' ? 137 : 8);
  }
});

test('a stopped monitor delays nothing: the exit is told with its exact code', async () => {
  const world = new World();
  const id = await world.run({ exitsAfterMs: 5_000, exitCode: 8 });
  for (const run of world.host.runs.values()) if (run.monitor !== undefined) run.monitor.isStopped = true;
  const begunAt = world.clock.now();

  const exit = await world.clock.complete(world.containers.wait(id));

  assert.equal(exit.code, 8);
  assert.ok(world.clock.now() - begunAt < 5_200);
  await world.clock.advance(5_000);
  assert.deepEqual(world.failures, []);
  const { state } = world.containers.get(id).row;
  assert.ok(state.phase === 'exited' && state.isCleaned && state.exit.log === 'cut');
});
