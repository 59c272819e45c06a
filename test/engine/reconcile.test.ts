import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerState, ExitRecord, LiveRun, StartingRun, StopState } from '../../src/engine/container/state.ts';
import type { RunObservation } from '../../src/engine/ports.ts';
import { reconcile } from '../../src/engine/recovery/reconcile.ts';
import type { Plan } from '../../src/engine/recovery/reconcile.ts';
import { containerRow } from '../support/rows.ts';

const identity = (pid: number, bootId = 'now') => ({ bootId, pid, startTime: 1 });
const processes = { init: identity(10), monitor: identity(11) };
const deadline = { bootId: 'now', at: 1_000 };

const stop: StopState = {
  phase: 'sending',
  signal: 'SIGTERM',
  method: 'frozen',
  requestedAt: 1,
  killAt: 2,
  requester: 'somebody',
  cause: 'stop',
  joined: [],
};
const live: LiveRun = { number: 2, processes, startedAt: 500, startedBoot: 400 };
const starting: StartingRun = { number: 2, step: 'creating', deadline };
const exit: ExitRecord = {
  run: 2,
  code: 0,
  isCodeKnown: true,
  isOom: false,
  cause: 'self',
  exitedAt: 900,
  witness: 'pidfd',
  log: 'complete',
};

function observed(given: Partial<RunObservation>): RunObservation {
  return {
    run: { containerId: 'c', number: 2 },
    saved: undefined,
    processes,
    isInitAlive: true,
    isMonitorAlive: true,
    liveProcesses: 1,
    exitFile: undefined,
    frozenBy: 'nobody',
    guardFiredAt: undefined,
    ...given,
  };
}

const alive = observed({});
const dead = observed({ isInitAlive: false, isMonitorAlive: false, liveProcesses: 0 });
const frozen = observed({ frozenBy: 'itself' });
const old = { init: identity(10, 'before'), monitor: identity(11, 'before') };
const oldDeadline = { bootId: 'before', at: 1_000 };
const follow = (phase: 'running' | 'paused', guardFiredAt?: number): Plan => ({
  kind: 'follow',
  run: 2,
  processes,
  phase,
  guardFiredAt,
});

const table: readonly (readonly [string, ContainerState, RunObservation | undefined, Plan['kind'] | Plan])[] = [
  ['creating, whatever is there', { phase: 'creating', deadline }, undefined, 'undo-create'],
  ['created', { phase: 'created' }, undefined, 'nothing'],
  ['exited and clean', { phase: 'exited', exit, isCleaned: true }, undefined, 'nothing'],
  ['exited, not clean', { phase: 'exited', exit, isCleaned: false }, dead, { kind: 'clean', run: 2 }],
  ['exited, and nothing of it is there', { phase: 'exited', exit, isCleaned: false }, undefined, 'clean'],
  ['removing', { phase: 'removing', exit, deadline }, undefined, 'finish-removal'],

  ['starting, nothing made', { phase: 'starting', run: starting }, undefined, { kind: 'fail-start', run: 2 }],
  ['starting, made but not saved', { phase: 'starting', run: starting }, alive, 'fail-start'],
  ['starting, created', { phase: 'starting', run: { ...starting, step: 'created', processes } }, alive, 'fail-start'],
  [
    'releasing, alive',
    { phase: 'starting', run: { ...starting, step: 'releasing', processes } },
    alive,
    { kind: 'release-again', run: 2, processes },
  ],
  [
    'releasing, dead',
    { phase: 'starting', run: { ...starting, step: 'releasing', processes } },
    dead,
    follow('running'),
  ],
  [
    'releasing, of another boot',
    { phase: 'starting', run: { ...starting, step: 'releasing', deadline: oldDeadline, processes: old } },
    undefined,
    'record-exit',
  ],
  [
    'creating a run, of another boot',
    { phase: 'starting', run: { ...starting, deadline: oldDeadline } },
    undefined,
    'fail-start',
  ],

  ['running, alive', { phase: 'running', run: live }, alive, follow('running')],
  ['running, dead: its end is still to be told', { phase: 'running', run: live }, dead, follow('running')],
  ['running, nothing there', { phase: 'running', run: live }, undefined, follow('running')],
  ['running, of another boot', { phase: 'running', run: { ...live, processes: old } }, undefined, 'record-exit'],
  ['running, but frozen: the pause was not saved', { phase: 'running', run: live }, frozen, follow('paused')],
  [
    'running, being stopped, frozen: the stop sees to it',
    { phase: 'running', run: { ...live, stop } },
    frozen,
    follow('running'),
  ],
  [
    'running, being stopped, killed by its guard',
    { phase: 'running', run: { ...live, stop } },
    observed({ isInitAlive: false, guardFiredAt: 77 }),
    follow('running', 77),
  ],
  ['paused, frozen', { phase: 'paused', run: live }, frozen, follow('paused')],
  ['paused, but runs: the resume was not saved', { phase: 'paused', run: live }, alive, follow('running')],
  ['paused, being stopped', { phase: 'paused', run: { ...live, stop } }, frozen, follow('paused')],
];

for (const [name, state, found, expected] of table) {
  test(`${name} → ${typeof expected === 'string' ? expected : expected.kind}`, () => {
    const row = containerRow({}, { state, runs: 2 });
    const plan = reconcile(row, found, { bootId: 'now', now: 5_000 });
    if (typeof expected === 'string') assert.equal(plan.kind, expected);
    else assert.deepEqual(plan, expected);
  });
}

test('what was running when the host went down says so, and does not guess a code', () => {
  const row = containerRow({}, { state: { phase: 'running', run: { ...live, processes: old } }, runs: 2 });
  const plan = reconcile(row, undefined, { bootId: 'now', now: 5_000 });
  assert.ok(plan.kind === 'record-exit');
  assert.deepEqual(
    [plan.exit.cause, plan.exit.isCodeKnown, plan.exit.code, plan.exit.startedAt, plan.exit.exitedAt],
    ['host-shutdown', false, 255, 500, 5_000],
  );
});
