import { abortError } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import type { SignalName } from '../../base/signals.ts';
import { formatDuration } from '../../base/units.ts';
import { detach } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ContainerActor } from './actor.ts';
import type { Requester } from './spec.ts';
import { currentRun, exitOf, isLive } from './state.ts';
import type { ContainerState, Delivery, ExitRecord, LiveRun, StartingRun, StopCause, StopState } from './state.ts';
import { driveStop } from './stop-drive.ts';
import { StopOperation } from './stop-operation.ts';
import { explainDiagnosis } from './why.ts';

export interface StopRequest {
  /** ms between the stop signal and SIGKILL; `Infinity`: no SIGKILL at all; left out: the container's own. */
  readonly graceMs?: number;
  /** Left out: the container's own. */
  readonly stopSignal?: SignalName;
  /** SIGKILL at once, without a stop signal before. */
  readonly isKill?: boolean;
  readonly requester: Requester;
  readonly reason?: string;
  readonly cause?: StopCause;
  /** Ends the wait, never the stop. */
  readonly signal?: AbortSignal;
}

export type StopResult =
  | { readonly changed: false }
  | {
      readonly changed: true;
      readonly delivery: Delivery;
      /** It ended by SIGKILL. */
      readonly isKilled: boolean;
      readonly tookMs: number;
      readonly exit: ExitRecord | undefined;
    };

/**
 * Brings a container down, and resolves when it has exited. One stop is in progress at most: another request joins it
 * and can only bring its kill forward.
 * @throws BerthError DeadlineExceeded with a diagnosis when the process outlives SIGKILL by the kill budget: the stop
 *   goes on all the same; Cancelled when `signal` aborts: likewise
 */
export async function stopContainer(
  actor: ContainerActor,
  parts: EngineParts,
  request: StopRequest,
): Promise<StopResult> {
  const begunAt = parts.clock.now();
  const run = await actor.mailbox.run(() => beginStop(actor, parts, request));
  if (run === undefined) return { changed: false };
  const exit = await untilStopped(actor, parts, run, request.signal);
  return {
    changed: true,
    delivery: exit?.stop?.delivery ?? 'none',
    isKilled: exit?.signal === 'SIGKILL',
    tookMs: parts.clock.now() - begunAt,
    exit,
  };
}

/** Returns the number of the run that is being stopped; undefined when there is nothing to stop. */
function beginStop(actor: ContainerActor, parts: EngineParts, request: StopRequest): number | undefined {
  const { state } = actor;
  const run = currentRun(state);
  if (run === undefined) return undefined;
  const killAt = killTime(actor, parts, request);
  if (run.stop === undefined) {
    begin(actor, parts, { state, run, stop: newStop(actor, parts, request, killAt) });
  } else {
    join(actor, { state, run, stop: run.stop }, request, killAt);
  }
  return run.number;
}

function killTime(actor: ContainerActor, parts: EngineParts, request: StopRequest): number | undefined {
  const graceMs = request.isKill === true ? 0 : (request.graceMs ?? actor.spec.stopGraceMs);
  return graceMs === Infinity ? undefined : parts.clock.now() + Math.max(0, graceMs);
}

function newStop(
  actor: ContainerActor,
  parts: EngineParts,
  request: StopRequest,
  killAt: number | undefined,
): StopState {
  return {
    ...(request.isKill === true ? { phase: 'sent', delivery: 'none' } : { phase: 'sending' }),
    signal: request.stopSignal ?? actor.spec.stopSignal,
    method: 'frozen',
    requestedAt: parts.clock.wall(),
    ...(killAt === undefined ? {} : { killAt }),
    requester: request.requester,
    ...(request.reason === undefined ? {} : { reason: request.reason }),
    cause: request.cause ?? 'stop',
    joined: [],
  };
}

interface Stopping {
  readonly state: ContainerState;
  readonly run: StartingRun | LiveRun;
  readonly stop: StopState;
}

function begin(actor: ContainerActor, parts: EngineParts, { state, run, stop }: Stopping): void {
  const { signal, killAt, requester, reason } = stop;
  const graceMs = killAt === undefined ? undefined : Math.round(killAt - parts.clock.now());
  const event = {
    type: 'stop.requested' as const,
    run: run.number,
    body: { signal, graceMs, requester, reason, isKill: stop.delivery === 'none' },
  };
  if (isLive(state)) {
    const live = { ...state.run, stop };
    actor.commit('stop.save', { state: { phase: state.phase, run: live }, events: [event] });
    launchStop(actor, parts, live, stop);
  } else if (state.phase === 'starting') {
    actor.commit('stop.save', { state: { phase: 'starting', run: { ...state.run, stop } }, events: [event] });
    // Before its release nothing of the program has run, so there is nothing to ask: the start is undone. After it,
    // the start hands the stop on to the running container.
    if (state.run.step !== 'releasing') actor.startAbort?.abort(new BerthError('Cancelled', STOPPED_WHILE_STARTING));
  }
}

const STOPPED_WHILE_STARTING = 'Cannot go on starting: the container is being stopped';

/** Carries out the stop that the state tells of: a new one, one that came during the start, or one of an earlier daemon. */
export function launchStop(actor: ContainerActor, parts: EngineParts, live: LiveRun, stop: StopState): void {
  const operation = new StopOperation(actor, parts, live, stop);
  actor.stop = operation;
  detach(parts.log, 'stop', driveStop(actor, parts, operation));
}

const MOST_JOINED = 64;

/** Never later, no second signal, and the first requester stays the cause. */
function join(
  actor: ContainerActor,
  { state, run, stop }: Stopping,
  request: StopRequest,
  killAt: number | undefined,
): void {
  const earliest = Math.min(stop.killAt ?? Infinity, killAt ?? Infinity);
  const isForward = earliest < (stop.killAt ?? Infinity);
  // Who asks again and again changes nothing, and the row does not grow with it.
  const isNew = stop.joined.length < MOST_JOINED && !stop.joined.includes(request.requester);
  if (!isForward && !isNew) return;
  const joined: StopState = {
    ...stop,
    ...(earliest === Infinity ? {} : { killAt: earliest }),
    joined: isNew ? [...stop.joined, request.requester] : stop.joined,
  };
  const event = {
    type: 'stop.joined' as const,
    run: run.number,
    body: { requester: request.requester, reason: request.reason, isForward },
  };
  actor.commit('stop.save', {
    state: { ...state, run: { ...run, stop: joined } } as ContainerState,
    events: [event],
  });
  actor.stop?.bringForward(earliest);
}

async function untilStopped(
  actor: ContainerActor,
  parts: EngineParts,
  run: number,
  signal: AbortSignal | undefined,
): Promise<ExitRecord | undefined> {
  const over = new AbortController();
  const late = lateness(actor, parts, run, over.signal);
  const patience = signal === undefined ? late : AbortSignal.any([signal, late]);
  try {
    const state = await actor.until((now) => isOver(now, run), patience);
    const exit = exitOf(state);
    return exit?.run === run ? exit : undefined;
  } catch (error) {
    if (actor.isGone) return undefined; // removed as soon as it had exited: it is stopped
    if (signal?.aborted === true) throw abortError(signal);
    throw error;
  } finally {
    over.abort();
  }
}

/** The run has exited: its record is there, or even a later run. */
export function isOver(state: ContainerState, run: number): boolean {
  const current = currentRun(state);
  return current === undefined ? state.phase !== 'creating' : current.number > run;
}

/** Aborts when the kill budget has passed since the kill, wherever the kill has been moved to. */
function lateness(actor: ContainerActor, parts: EngineParts, run: number, over: AbortSignal): AbortSignal {
  const late = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      const killAt = currentRun(actor.state)?.stop?.killAt ?? Infinity;
      const left = killAt + parts.settings.killBudgetMs - parts.clock.now();
      if (left <= 0) break;
      await parts.clock.sleep(Math.min(left, LOOK_AGAIN_MS), over);
      if (over.aborted) return;
    }
    late.abort(lateError(actor, parts, run));
  };
  detach(parts.log, 'stop deadline', watch());
  return late.signal;
}

/** A deadline that was brought forward is noticed after this time at the latest. */
const LOOK_AGAIN_MS = 250;

function lateError(actor: ContainerActor, parts: EngineParts, number: number): BerthError {
  const run = currentRun(actor.state);
  const diagnosis = runtimeOf(parts, actor.spec).diagnose(actor.run(number), run?.processes);
  const budget = formatDuration(parts.settings.killBudgetMs);
  return new BerthError(
    'DeadlineExceeded',
    `Cannot stop container "${actor.spec.name}" yet: it outlives SIGKILL by ${budget}: ${explainDiagnosis(diagnosis)}`,
  );
}
