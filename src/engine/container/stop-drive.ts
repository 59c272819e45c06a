import { BerthError, messageOf } from '../../base/errors.ts';
import { signalNumber } from '../../base/signals.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { RunRef, Runtime } from '../ports.ts';
import type { ContainerActor } from './actor.ts';
import { escalatedByGuard } from './guard-fired.ts';
import { hasOwnPidNamespace } from './spec.ts';
import { isLive } from './state.ts';
import type { Delivery, LiveRun, StopState } from './state.ts';
import type { StopOperation } from './stop-operation.ts';

const FREEZE_WITHIN_MS = 50;
/** While PID 1 is younger than this, its handler may not be installed yet. */
const YOUNG_MS = 2_000;
const YOUNG_POLL_MS = 10;
const SEND_RETRY_MS = 100;
const SEND_PATIENCE_MS = 1_000;
/** What is left of the grace when the signal cannot be sent at all. */
const GRACE_WITHOUT_SIGNAL_MS = 2_000;
const FIRST_KILL_RETRY_MS = 20;
const LAST_KILL_RETRY_MS = 10_000;
/** From here on PID 1 is not trusted to take the others with it. */
const KILL_ALL_AFTER_MS = 2_000;

const SIGKILL = 9;

/**
 * Carries a stop out, from whatever phase it is in: guard, signal, grace, SIGKILL until the exit is seen. It never
 * fails and never gives up; it ends with the run, or with the engine, whose successor takes it up again.
 */
export async function driveStop(actor: ContainerActor, parts: EngineParts, operation: StopOperation): Promise<void> {
  const over = AbortSignal.any([actor.runOver.signal, parts.shutdown]);
  if (operation.guard === undefined) await operation.arm();
  if (stopOf(actor, operation.run)?.phase === 'sending') await deliver(actor, parts, operation, over);
  await operation.deadline.reached(over);
  if (!over.aborted) await killUntilOver(actor, parts, operation, over);
}

/** The saved stop of the run, as long as the run lives. */
function stopOf(actor: ContainerActor, run: number): StopState | undefined {
  return liveRun(actor, run)?.stop;
}

function liveRun(actor: ContainerActor, number: number): LiveRun | undefined {
  const { state } = actor;
  return isLive(state) && state.run.number === number ? state.run : undefined;
}

/** Sends the stop signal, exactly once across crashes. */
async function deliver(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  over: AbortSignal,
): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  await untilGrown(actor, parts, operation, over);
  const giveUpAt = parts.clock.now() + SEND_PATIENCE_MS;
  while (!over.aborted && stopOf(actor, operation.run)?.phase === 'sending') {
    try {
      await operation.guardWork.run(() => sendInWindow(actor, parts, runtime, operation));
    } catch (error) {
      parts.log.warn('stop signal could not be sent', { container: actor.id, error: messageOf(error) });
      runtime.thaw(actor.run(operation.run)); // whatever failed, nothing stays frozen
      if (parts.clock.now() >= giveUpAt) {
        operation.bringForward(parts.clock.now() + GRACE_WITHOUT_SIGNAL_MS);
        return;
      }
      await parts.clock.sleep(SEND_RETRY_MS, over);
    }
  }
  if (parts.settings.ignoredSignal === 'escalate' && stopOf(actor, operation.run)?.delivery === 'ignored') {
    escalateIgnored(actor, parts, runtime, operation);
  }
}

/**
 * A PID 1 that has only just started has no handler yet, and the kernel discards a signal that PID 1 does not handle.
 * So the send waits until the handler is there, for half of the grace at most.
 */
async function untilGrown(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  over: AbortSignal,
): Promise<void> {
  const run = liveRun(actor, operation.run);
  if (run?.stop === undefined || !hasOwnPidNamespace(actor.spec) || actor.state.phase === 'paused') return;
  const { init } = run.processes;
  const number = signalNumber(run.stop.signal);
  const { clock } = parts;
  const halfGrace = (operation.deadline.at - clock.now()) / 2;
  const end = Math.min(run.startedBoot + YOUNG_MS, clock.now() + Math.min(YOUNG_MS, halfGrace));
  const runtime = runtimeOf(parts, actor.spec);
  const mustWait = (): boolean =>
    !over.aborted && clock.now() < end && runtime.viewSignal(init, number)?.disposition === 'default';
  if (!mustWait()) return;
  await actor.step('stop.young', async () => {
    while (mustWait()) await clock.sleep(YOUNG_POLL_MS, over);
  });
}

/**
 * The crash window. Whoever finds a saved `sending` can tell what happened: not frozen, so it was never sent; frozen,
 * so the pending bit says it. That holds because the freeze comes before the send, and the save before the thaw.
 */
async function sendInWindow(
  actor: ContainerActor,
  parts: EngineParts,
  runtime: Runtime,
  operation: StopOperation,
): Promise<void> {
  const live = liveRun(actor, operation.run);
  if (live?.stop?.phase !== 'sending') return;
  const run = actor.run(operation.run);
  const { guard } = operation;
  guard?.openWindow();
  try {
    const isFrozen = await actor.step('stop.freeze', () => runtime.freeze(run, FREEZE_WITHIN_MS));
    if (!isFrozen) {
      await actor.mailbox.run(() => sendPlain(actor, parts, runtime, operation));
      return;
    }
    await sendFrozen(actor, parts, runtime, operation, live);
  } finally {
    await actor.step('stop.thaw', () => runtime.thaw(run));
    guard?.closeWindow();
  }
}

async function sendFrozen(
  actor: ContainerActor,
  parts: EngineParts,
  runtime: Runtime,
  operation: StopOperation,
  live: LiveRun,
): Promise<void> {
  const { init } = live.processes;
  const number = signalNumber(live.stop?.signal ?? actor.spec.stopSignal);
  await actor.step('stop.send', () => runtime.signal(actor.run(operation.run), init, number));
  const view = runtime.viewSignal(init, number);
  await actor.mailbox.run(() => saveSent(actor, parts, operation, view?.isPending === false ? 'ignored' : 'delivered'));
}

/** For what cannot be made to stand still. A crash in between leaves "unknown", and nobody sends again. */
function sendPlain(actor: ContainerActor, parts: EngineParts, runtime: Runtime, operation: StopOperation): void {
  const live = liveRun(actor, operation.run);
  if (live?.stop?.phase !== 'sending') return;
  const { init } = live.processes;
  const number = signalNumber(live.stop.signal);
  const disposition = runtime.viewSignal(init, number)?.disposition;
  const isIgnored = disposition === 'ignored' || (disposition === 'default' && hasOwnPidNamespace(actor.spec));
  saveStop(actor, live, { ...live.stop, method: 'plain' });
  actor.stepSync('stop.send', () => runtime.signal(actor.run(operation.run), init, number));
  saveSent(actor, parts, operation, isIgnored ? 'ignored' : 'delivered');
}

function saveStop(actor: ContainerActor, live: LiveRun, stop: StopState): void {
  actor.commit('stop.save', { state: { phase: 'running', run: { ...live, stop } } });
}

/** Records that the signal needs no sending any more. A paused container runs again with the thaw that follows. */
export function saveSent(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  delivery: Delivery,
): void {
  const live = liveRun(actor, operation.run);
  if (live?.stop === undefined) return; // it exited meanwhile
  const stop: StopState = { ...live.stop, phase: 'sent', delivery, sentAt: parts.clock.wall() };
  const wasPaused = actor.state.phase === 'paused';
  actor.commit('stop.sent', {
    state: { phase: 'running', run: { ...live, stop } },
    events: [
      { type: 'stop.signalled', run: live.number, body: { signal: stop.signal, delivery, method: stop.method } },
      ...(wasPaused ? [{ type: 'container.resumed' as const, run: live.number, body: { by: 'stop' } }] : []),
    ],
  });
}

/** PID 1 will never see the signal: the others get it, and when there are none the grace has no purpose. */
function escalateIgnored(actor: ContainerActor, parts: EngineParts, runtime: Runtime, operation: StopOperation): void {
  const live = liveRun(actor, operation.run);
  if (live?.stop === undefined) return;
  const others = runtime.signalOthers(actor.run(live.number), live.processes.init, signalNumber(live.stop.signal));
  if (others === 0) operation.bringForward(parts.clock.now());
}

async function killUntilOver(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  over: AbortSignal,
): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const run = actor.run(operation.run);
  await actor.mailbox.run(() => saveKilling(actor, runtime, operation));
  const begunAt = parts.clock.now();
  for (let wait = FIRST_KILL_RETRY_MS; !over.aborted; wait = Math.min(wait * 2, LAST_KILL_RETRY_MS)) {
    const isLate = parts.clock.now() - begunAt >= KILL_ALL_AFTER_MS;
    try {
      await actor.step('stop.kill', () => killOnce(actor, runtime, run, isLate));
    } catch (error) {
      parts.log.error('container could not be killed', { container: actor.id, error: messageOf(error) });
    }
    await parts.clock.sleep(wait, over);
  }
}

/** A daemon that was held up comes after its guard. */
function saveKilling(actor: ContainerActor, runtime: Runtime, operation: StopOperation): void {
  const live = liveRun(actor, operation.run);
  if (live?.stop === undefined || live.stop.phase === 'killing') return;
  const { stop } = live;
  const body = { signal: 'SIGKILL', requester: stop.requester };
  const { run, event } = escalatedByGuard(live, runtime.guardFiredAt(actor.run(live.number))) ?? {
    run: { ...live, stop: { ...stop, phase: 'killing' } },
    event: { type: 'stop.escalated', run: live.number, body },
  };
  actor.commit('stop.killing', { state: { phase: 'running', run }, events: [event] });
}

function killOnce(actor: ContainerActor, runtime: Runtime, run: RunRef, isLate: boolean): void {
  const live = liveRun(actor, run.number);
  if (live === undefined) return;
  runtime.signal(run, live.processes.init, SIGKILL);
  // A process in the v1 freezer dies only when it thaws, and killing the cgroup does that too.
  if (isLate || !hasOwnPidNamespace(actor.spec) || runtime.frozenBy(run) !== 'nobody') runtime.killAll(run);
}

/** What a stop in `sending` turns out to be after the daemon that began it is gone. */
export function resolveSending(
  stop: StopState,
  found: { readonly verdict: 'sent' | 'unsent' | undefined; readonly isFrozen: boolean; readonly isPending: boolean },
): Delivery | 'send' {
  if (stop.phase !== 'sending') throw new BerthError('Internal', `Cannot resolve a stop that is ${stop.phase}`);
  if (stop.method === 'plain') return 'unknown';
  if (found.verdict !== undefined) return found.verdict === 'sent' ? 'delivered' : 'send';
  if (!found.isFrozen) return 'send';
  return found.isPending ? 'delivered' : 'send';
}
