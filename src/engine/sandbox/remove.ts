import { untilAborted } from '../../base/abort.ts';
import type { CreateParts } from '../container/create.ts';
import { removeContainer } from '../container/remove.ts';
import type { SandboxActor } from './actor.ts';
import { membersOf } from './members.ts';
import { stopSandbox } from './stop.ts';
import type { StopSandboxRequest } from './stop.ts';

/**
 * Removes a pod's sandbox and its containers, which are killed if they live. Removing it again joins the removal.
 * @throws BerthError DeadlineExceeded as `stopSandbox`
 */
export async function removeSandbox(
  sandbox: SandboxActor,
  parts: CreateParts,
  request: StopSandboxRequest,
): Promise<void> {
  sandbox.removal ??= remove(sandbox, parts, request).finally(() => (sandbox.removal = undefined));
  await untilAborted(sandbox.removal, request.signal);
}

async function remove(sandbox: SandboxActor, parts: CreateParts, request: StopSandboxRequest): Promise<void> {
  const { requester } = request;
  await stopSandbox(sandbox, parts, { requester, reason: request.reason ?? 'removal' });
  const removals = membersOf(sandbox, parts).map((actor) =>
    removeContainer(actor, parts, { isForced: true, requester }),
  );
  const failure = (await Promise.allSettled(removals)).find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  await sandbox.mailbox.run(() => {
    if (sandbox.isGone) return;
    sandbox.commitRemoval();
    parts.sandboxes.remove(sandbox.id, sandbox.spec.name);
  });
  await parts.store.durable();
}
