import { abortError, throwIfAborted, untilAborted } from '../../base/abort.ts';
import { BerthError, messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import { detach, detached } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { PreparedRun, RunPlan, RunRef, StartFailure } from '../ports.ts';
import { readySandbox } from '../sandbox/make.ts';
import type { ContainerActor } from './actor.ts';
import { connectAttachments, endAttachments } from './attach.ts';
import { cleanRun } from './clean.ts';
import { commitExit, followRun } from './exit.ts';
import { describePhase, isLive } from './state.ts';
import type { ExitRecord, LiveRun, RunProcesses, StartingRun } from './state.ts';
import { launchStop } from './stop.ts';
import { describeStep, ignoresSignal } from './why.ts';

export interface StartOptions {
  /** Ends the wait, never the start. */
  readonly signal?: AbortSignal;
}

/** How long a start waits for what the run before left, before it is refused. */
const CLEANING_PATIENCE_MS = 10_000;
/** By then a program has installed its handlers. */
const WARN_AFTER_MS = 4_000;

/**
 * Starts a new run of a container that has none, and resolves when its program runs, or has run.
 * @throws BerthError WrongState or Busy when it cannot start now; InvalidArgument when its command cannot be run;
 *   Cancelled when it was stopped while it started
 */
export async function startContainer(
  actor: ContainerActor,
  parts: EngineParts,
  options: StartOptions = {},
): Promise<void> {
  await untilClean(actor, parts, options.signal);
  const { finished } = await actor.mailbox.run(() => beginStart(actor, parts));
  await untilAborted(finished, options.signal);
}

/** Never two runs at once: a new one starts when nothing of the last one is left. */
async function untilClean(actor: ContainerActor, parts: EngineParts, signal: AbortSignal | undefined): Promise<void> {
  const { state } = actor;
  if (state.phase !== 'exited' || state.isCleaned) return;
  const patience = new AbortController();
  const clean = actor.until((now) => now.phase !== 'exited' || now.isCleaned, patience.signal);
  const late = parts.clock.sleep(CLEANING_PATIENCE_MS, patience.signal);
  try {
    await untilAborted(Promise.race([clean, late]), signal);
  } finally {
    clean.catch(() => undefined);
    patience.abort();
  }
}

/** An object and not the promise: a mailbox task that returned a promise would wait for it. */
function beginStart(actor: ContainerActor, parts: EngineParts): { readonly finished: Promise<void> } {
  refuseUnlessStartable(actor, parts);
  const { clock, settings } = parts;
  const number = actor.row.runs + 1;
  const deadline = { bootId: clock.bootId, at: clock.now() + settings.startDeadlineMs };
  actor.runOver = new AbortController();
  const abort = new AbortController();
  actor.commit('start.save', {
    state: { phase: 'starting', run: { number, step: 'creating', deadline } },
    runs: number,
  });
  actor.startAbort = abort;
  const finished = driveStart(actor, parts, actor.run(number), abort);
  finished.catch(() => undefined); // told to whoever waits, and kept in the exit record
  return { finished };
}

function refuseUnlessStartable(actor: ContainerActor, parts: EngineParts): void {
  const { state, spec } = actor;
  if (actor.isGone) throw new BerthError('NotFound', `Cannot start container "${spec.name}": it was removed`);
  if (state.phase === 'starting') {
    throw new BerthError('Busy', `Cannot start container "${spec.name}": it is starting already`);
  }
  if (state.phase !== 'created' && state.phase !== 'exited') {
    const phase = describePhase(state);
    throw new BerthError(
      'WrongState',
      `Cannot start container "${spec.name}": it is ${phase}, must be created or exited`,
    );
  }
  if (state.phase === 'exited' && !state.isCleaned) {
    const owed = parts.debts.list().find((debt) => debt.container === actor.id);
    const why = owed === undefined ? 'its last run is still being cleaned' : `${owed.what}: ${owed.lastError}`;
    throw new BerthError('Busy', `Cannot start container "${spec.name}": ${why}`);
  }
}

async function driveStart(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  abort: AbortController,
): Promise<void> {
  using _ = abortWhenLate(actor, parts, abort);
  try {
    const processes = await makeRun(actor, parts, run, abort.signal);
    await actor.step('start.attach', () => untilAborted(connectAttachments(actor, run), abort.signal));
    const hasReleased = await releaseRun(actor, parts, run, processes);
    if (!hasReleased) throw abortError(abort.signal);
  } catch (error) {
    await failStart(actor, parts, run, error);
    throw error;
  }
}

/** The deadline is that of the whole start. Once the program is released it has no meaning any more. */
function abortWhenLate(
  actor: ContainerActor,
  { clock, log, settings }: EngineParts,
  abort: AbortController,
): Disposable {
  const over = new AbortController();
  const noticing = clock.sleep(settings.startDeadlineMs, over.signal).then(() => {
    if (over.signal.aborted) return;
    const message = `Cannot start container "${actor.spec.name}" within ${formatDuration(settings.startDeadlineMs)}`;
    const step = actor.progress === undefined ? '' : `: it waits for ${describeStep(actor.progress.step)}`;
    abort.abort(new BerthError('DeadlineExceeded', message + step));
  });
  detach(log, 'start deadline', noticing);
  return { [Symbol.dispose]: () => over.abort() };
}

/** Everything up to the runtime object, in which nothing of the program runs yet. */
async function makeRun(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  signal: AbortSignal,
): Promise<RunProcesses> {
  const runtime = runtimeOf(parts, actor.spec);
  const { sandbox } = actor;
  await actor.step('start.namespaces', () => readySandbox(sandbox, parts));
  throwIfAborted(signal);
  const plan: RunPlan = {
    run,
    row: actor.row,
    sandbox: sandbox.row,
    pins: sandbox.pins,
    pidOf: await pidOf(actor, parts),
  };
  const prepared = await actor.step('start.prepare', () => runtime.prepare(plan));
  if (actor.spec.role === 'workload') await actor.step('start.mount', () => mountImages(actor, parts, prepared));
  throwIfAborted(signal);
  const made = await actor.step('start.create', () => runtime.create(run, signal));
  if ('exitCode' in made) throw new StartRefused(actor.spec.name, made);
  await actor.mailbox.run(() => {
    const starting = startingRun(actor, run);
    actor.commit('start.created', {
      state: { phase: 'starting', run: { ...starting, step: 'created', processes: made } },
    });
  });
  throwIfAborted(signal);
  return made;
}

async function mountImages(actor: ContainerActor, { images }: EngineParts, prepared: PreparedRun): Promise<void> {
  const { user } = actor.sandbox.pins;
  await images.mount(actor.id, prepared.rootfs, user);
  for (const [index, target] of prepared.volumes.entries()) await images.mountVolume(actor.id, index, target, user);
}

/** Whose PID namespace it joins. */
async function pidOf(actor: ContainerActor, parts: EngineParts): Promise<RunPlan['pidOf']> {
  const { spec, sandbox } = actor;
  if (spec.pid === 'container' || spec.pid === 'host') return undefined;
  if (spec.pid === 'sandbox') return actor.step('start.infra', () => parts.pods.infraOf(sandbox));
  return parts.pods.targetOf(sandbox, spec.pid.target);
}

/** Returns false when a stop came first: then the program never runs. */
async function releaseRun(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  processes: RunProcesses,
): Promise<boolean> {
  const isReleasing = await actor.mailbox.run(() => {
    const starting = startingRun(actor, run);
    if (starting.stop !== undefined) return false;
    const releasing: StartingRun = { ...starting, step: 'releasing', releasedAt: parts.clock.wall() };
    actor.commit('start.releasing', { state: { phase: 'starting', run: releasing } });
    return true;
  });
  if (isReleasing) await finishRelease(actor, parts, run, processes);
  return isReleasing;
}

/** From `releasing` on there is no way back: the program may run. Recovery comes here too. */
export async function finishRelease(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  processes: RunProcesses,
): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const watch = runtime.watch(run, processes);
  try {
    await actor.step('start.release', () => runtime.release(run));
  } catch (error) {
    watch[Symbol.dispose]();
    throw error;
  }
  await actor.mailbox.run(() => tellStarted(actor, parts, run, processes));
  detach(parts.log, 'run', followRun(actor, parts, run, processes, watch));
}

/** Dead already: the exit record follows, and it was never running. */
function tellStarted(actor: ContainerActor, parts: EngineParts, run: RunRef, processes: RunProcesses): void {
  const starting = startingRun(actor, run);
  const live: LiveRun = {
    number: run.number,
    processes,
    startedAt: parts.clock.wall(),
    startedBoot: parts.clock.now(),
    ...(starting.stop === undefined ? {} : { stop: starting.stop }),
  };
  if (!runtimeOf(parts, actor.spec).isAlive(processes.init)) return;
  actor.startAbort = undefined;
  actor.commit('start.running', {
    state: { phase: 'running', run: live },
    events: [{ type: 'container.started', run: run.number, body: { pid: processes.init.pid } }],
  });
  if (live.stop !== undefined) launchStop(actor, parts, live, live.stop);
  detach(parts.log, 'warning', warnOfIgnoredSignal(actor, parts, live));
}

/** Every stop of such a container burns its whole grace, so people should know before they wait for one. */
async function warnOfIgnoredSignal(actor: ContainerActor, parts: EngineParts, live: LiveRun): Promise<void> {
  const over = actor.runOver.signal;
  await parts.clock.sleep(WARN_AFTER_MS, over);
  await actor.mailbox.run(() => {
    const { state, spec } = actor;
    if (over.aborted || !isLive(state) || state.run.number !== live.number) return;
    if (!ignoresSignal(actor, parts, live, spec.stopSignal)) return;
    const body = { warning: 'stop-signal-ignored', signal: spec.stopSignal };
    actor.commit('start.running', { state, events: [{ type: 'container.warning', run: live.number, body }] });
  });
}

function startingRun(actor: ContainerActor, run: RunRef): StartingRun {
  const { state } = actor;
  if (state.phase === 'starting' && state.run.number === run.number) return state.run;
  throw new BerthError(
    'Internal',
    `Cannot go on starting container "${actor.spec.name}": it is ${describePhase(state)}`,
  );
}

/** The runtime could not make the container, and the request or the image is to blame. */
class StartRefused extends BerthError {
  constructor(name: string, { exitCode, message }: StartFailure) {
    const code = exitCode === 128 ? 'Internal' : 'InvalidArgument';
    super(code, `Cannot start container "${name}": ${message}`, { exitCode });
  }
}

/** Ends whatever there is of the run, records why, and cleans it. */
export async function failStart(actor: ContainerActor, parts: EngineParts, run: RunRef, error: unknown): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  try {
    await actor.step('start.kill', () => runtime.killAll(run));
  } catch (killError) {
    parts.log.error('failed start could not be killed', { container: actor.id, error: messageOf(killError) });
  }
  await actor.mailbox.run(() => {
    const { state } = actor;
    if (state.phase !== 'starting' || state.run.number !== run.number) return;
    commitExit(actor, failureRecord(state.run, error, parts.clock.wall()));
  });
  endAttachments(actor);
  actor.cleaning = detached(parts.log, 'cleaning', cleanRun(actor, parts, run));
}

function failureRecord(run: StartingRun, error: unknown, at: number): ExitRecord {
  const { stop } = run;
  const base = {
    run: run.number,
    isCodeKnown: true,
    isOom: false,
    exitedAt: at,
    witness: 'runtime',
    log: 'complete',
  } as const;
  if (stop !== undefined) {
    return {
      ...base,
      code: 137,
      signal: 'SIGKILL',
      cause: stop.cause,
      requester: stop.requester,
      ...(stop.reason === undefined ? {} : { reason: stop.reason }),
      stop: { signal: stop.signal, delivery: 'none', isEscalated: true },
      message: 'stopped before its program ran',
    };
  }
  const code = error instanceof StartRefused ? (error.exitCode ?? 128) : 128;
  return { ...base, code, cause: 'start-failed', message: messageOf(error) };
}
