import { BerthError, messageOf } from '../../base/errors.ts';
import type { DebtOrder } from '../debts.ts';
import { runtimeOf } from '../parts.ts';
import type { Step } from '../steps.ts';
import type { ContainerActor } from './actor.ts';
import { isOwnLog } from './create.ts';
import type { CreateParts } from './create.ts';
import type { Requester } from './spec.ts';
import { describePhase, exitOf } from './state.ts';
import { stopContainer } from './stop.ts';

export interface RemoveRequest {
  /** Kills it first when it lives. */
  readonly isForced?: boolean;
  readonly requester: Requester;
  /** Ends the wait, never the removal. */
  readonly signal?: AbortSignal;
}

const REMOVE_DEADLINE_MS = 60_000;

/**
 * Removes a container and all that is its own. What cannot be removed now is a debt; the name is free all the same.
 * @throws BerthError WrongState when it lives and `isForced` is not set; Busy when it is being created
 */
export async function removeContainer(
  actor: ContainerActor,
  parts: CreateParts,
  request: RemoveRequest,
): Promise<void> {
  if (request.isForced === true) {
    const { requester, signal } = request;
    await stopContainer(actor, parts, { isKill: true, requester, reason: 'removal', ...(signal ? { signal } : {}) });
  }
  const { removal } = await actor.mailbox.run(() => beginRemoval(actor, parts));
  await removal;
}

/** Whoever asks while it is being removed waits for that. An object and not the promise, which the mailbox would wait for. */
function beginRemoval(actor: ContainerActor, parts: CreateParts): { readonly removal: Promise<void> } {
  const { state, spec } = actor;
  if (actor.isGone) throw new BerthError('NotFound', `Cannot remove container "${spec.name}": it was removed`);
  if (actor.removal !== undefined) return { removal: actor.removal };
  if (state.phase === 'creating') {
    throw new BerthError('Busy', `Cannot remove container "${spec.name}": it is ${state.phase}`);
  }
  if (state.phase !== 'created' && state.phase !== 'exited') {
    const phase = describePhase(state);
    throw new BerthError(
      'WrongState',
      `Cannot remove container "${spec.name}": it is ${phase}, stop it first or force`,
    );
  }
  const deadline = { bootId: parts.clock.bootId, at: parts.clock.now() + REMOVE_DEADLINE_MS };
  actor.commit('remove.save', { state: { phase: 'removing', exit: exitOf(state), deadline } });
  const removal = finishRemoval(actor, parts);
  removal.catch(() => undefined); // told to whoever waits
  actor.removal = removal;
  return { removal };
}

/** From `removing` on there is no way back. Recovery comes here too. */
export async function finishRemoval(actor: ContainerActor, parts: CreateParts): Promise<void> {
  const { spec } = actor;
  await actor.cleaning;
  const owner = { container: spec.id };
  await orDebt(actor, parts, 'remove.snapshot', () => parts.images.removeSnapshot(spec.id), {
    ...owner,
    kind: 'snapshot',
    what: `snapshot of ${spec.name}`,
  });
  if (isOwnLog(spec.logPath, parts)) {
    await orDebt(actor, parts, 'remove.log', () => runtimeOf(parts, spec).removeLog(spec.logPath), {
      ...owner,
      kind: 'log',
      what: spec.logPath,
      path: spec.logPath,
    });
  }
  await actor.mailbox.run(() => {
    if (actor.sandbox.spec.owner === spec.id) {
      actor.sandbox.commitRemoval();
      parts.sandboxes.remove(actor.sandbox.id, actor.sandbox.spec.name);
    }
    actor.commitRemoval('remove.row', { type: 'container.removed', body: { name: spec.name } });
    parts.containers.remove(spec.id, spec.name);
  });
  await parts.store.durable();
}

async function orDebt(
  actor: ContainerActor,
  parts: CreateParts,
  step: Step,
  work: () => Promise<void>,
  debt: Omit<DebtOrder, 'error'>,
): Promise<void> {
  try {
    await actor.step(step, work);
  } catch (error) {
    parts.debts.add({ ...debt, error: messageOf(error) });
  }
}
