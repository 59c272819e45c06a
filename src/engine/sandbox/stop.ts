import { untilAborted } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import type { ContainerActor } from '../container/actor.ts';
import type { CreateParts } from '../container/create.ts';
import type { Requester } from '../container/spec.ts';
import { currentRun } from '../container/state.ts';
import { stopContainer } from '../container/stop.ts';
import { detach } from '../detach.ts';
import type { SandboxActor } from './actor.ts';
import { membersOf } from './members.ts';
import { takeDownOrOwe } from './take-down.ts';

export interface StopSandboxRequest {
  readonly requester: Requester;
  readonly reason?: string;
  /** Ends the wait, never the stop. */
  readonly signal?: AbortSignal;
}

/**
 * Stops a pod: its containers are killed in parallel, then what it has on the host is taken down. From here on nothing
 * is created, started or run in it. Stopping it again joins the stop, or does nothing.
 * @throws BerthError DeadlineExceeded with a diagnosis when a process outlives SIGKILL by the kill budget. No code of
 *   the pod runs any more then, so its network and ports are free; it is stopped when the process is gone
 */
export async function stopSandbox(
  sandbox: SandboxActor,
  parts: CreateParts,
  request: StopSandboxRequest,
): Promise<void> {
  const { finished } = await sandbox.mailbox.run(() => beginStop(sandbox, parts, request));
  await untilAborted(finished, request.signal);
}

/** An object and not the promise: a mailbox task that returned a promise would wait for it. */
function beginStop(
  sandbox: SandboxActor,
  parts: CreateParts,
  request: StopSandboxRequest,
): { readonly finished: Promise<void> } {
  const { state, making } = sandbox;
  if (sandbox.isGone || state.phase === 'stopped') return { finished: Promise.resolve() };
  if (making !== undefined) {
    making.abort.abort(
      new BerthError('Cancelled', `Cannot create sandbox "${sandbox.spec.name}": it is being stopped`),
    );
    return { finished: making.finished.catch(() => undefined) }; // whoever asked for the sandbox hears of it
  }
  if (sandbox.stopping !== undefined) return { finished: sandbox.stopping };
  if (state.phase === 'ready') {
    const { requester, reason } = request;
    const { pins, bootId, addresses } = state;
    const stopping = {
      phase: 'stopping' as const,
      pins,
      bootId,
      addresses,
      ...(reason === undefined ? {} : { reason }),
    };
    sandbox.commit('sandbox.stopping', stopping, [{ type: 'sandbox.stopping', body: { requester, reason } }]);
  }
  const finished = driveStop(sandbox, parts, request).finally(() => (sandbox.stopping = undefined));
  finished.catch(() => undefined); // told to whoever waits
  sandbox.stopping = finished;
  return { finished };
}

async function driveStop(sandbox: SandboxActor, parts: CreateParts, request: StopSandboxRequest): Promise<void> {
  await Promise.allSettled(sandbox.arrivals); // each of them sees that it came too late
  const members = membersOf(sandbox, parts);
  const ended = await stopAll(
    members.filter(({ spec }) => spec.role === 'workload'),
    parts,
    request,
  );
  // The last to go: the others' processes live in its namespace.
  ended.push(
    ...(await stopAll(
      members.filter(({ spec }) => spec.role === 'infra'),
      parts,
      request,
    )),
  );
  const { state } = sandbox;
  if ('pins' in state) await takeDownOrOwe(sandbox, parts, state.pins);
  const failure = ended.find((end) => end.status === 'rejected');
  if (failure !== undefined) {
    detach(parts.log, 'sandbox stop', settleWhenEnded(sandbox, parts, members));
    throw failure.reason;
  }
  await settle(sandbox, parts);
}

function stopAll(
  members: readonly ContainerActor[],
  parts: CreateParts,
  { requester, reason = 'its sandbox is being stopped' }: StopSandboxRequest,
): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled(
    members.map(async (actor) => {
      await actor.untilRecovered();
      return stopContainer(actor, parts, { isKill: true, cause: 'sandbox', requester, reason });
    }),
  );
}

async function settleWhenEnded(
  sandbox: SandboxActor,
  parts: CreateParts,
  members: readonly ContainerActor[],
): Promise<void> {
  const ends = members.map((actor) => actor.until((state) => currentRun(state) === undefined, parts.shutdown));
  await Promise.allSettled(ends); // one that was removed has ended too
  if (!parts.shutdown.aborted) await settle(sandbox, parts);
}

async function settle(sandbox: SandboxActor, parts: CreateParts): Promise<void> {
  await sandbox.mailbox.run(() => {
    if (sandbox.isGone || sandbox.state.phase === 'stopped') return;
    sandbox.commit('sandbox.stopped', { phase: 'stopped', stoppedAt: parts.clock.wall() }, [
      { type: 'sandbox.stopped', body: {} },
    ]);
  });
}
