import { messageOf } from '../../base/errors.ts';
import { signalNumber } from '../../base/signals.ts';
import { detach } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ContainerActor } from './actor.ts';
import type { LiveRun, StopState } from './state.ts';
import { driveStop, resolveSending, saveSent } from './stop-drive.ts';
import { StopOperation } from './stop-operation.ts';

/** Takes up a stop that an earlier daemon began. */
export function resumeStop(actor: ContainerActor, parts: EngineParts, live: LiveRun, stop: StopState): void {
  const operation = new StopOperation(actor, parts, live, stop);
  actor.stop = operation;
  detach(parts.log, 'stop', settleAndDrive(actor, parts, operation, live, stop));
}

async function settleAndDrive(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  live: LiveRun,
  stop: StopState,
): Promise<void> {
  try {
    await settleWindow(actor, parts, operation, live, stop);
  } catch (error) {
    parts.log.error('stop of an earlier daemon is in doubt', { container: actor.id, error: messageOf(error) });
  }
  await driveStop(actor, parts, operation);
}

/**
 * Finds out whether the earlier daemon had sent the signal, and leaves nothing frozen. The new guard is armed before
 * the old one is ended, so that the kill is promised at every moment; the old one is gone before its verdict is read.
 */
async function settleWindow(
  actor: ContainerActor,
  parts: EngineParts,
  operation: StopOperation,
  live: LiveRun,
  stop: StopState,
): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const run = actor.run(live.number);
  await operation.arm();
  operation.guard?.openWindow();
  const verdict = await runtime.takeOverGuards(run);
  if (stop.phase === 'sending') {
    const isFrozen = runtime.frozenBy(run) === 'itself';
    const isPending = runtime.viewSignal(live.processes.init, signalNumber(stop.signal))?.isPending ?? false;
    const found = resolveSending(stop, { verdict, isFrozen, isPending });
    if (found !== 'send') await actor.mailbox.run(() => saveSent(actor, parts, operation, found));
  }
  // What is still to be sent has a window of its own. One that is paused stays so until then: that freeze is its own.
  if (actor.state.phase !== 'paused') runtime.thaw(run);
  operation.guard?.closeWindow();
}
