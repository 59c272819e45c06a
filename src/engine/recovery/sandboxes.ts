import { messageOf } from '../../base/errors.ts';
import type { CreateParts } from '../container/create.ts';
import type { SandboxActor } from '../sandbox/actor.ts';
import { isPrivate } from '../sandbox/actor.ts';
import { stopSandbox } from '../sandbox/stop.ts';
import { existing, takeDownOrOwe } from '../sandbox/take-down.ts';
import { detach } from '../detach.ts';
import { reconcileSandbox } from './reconcile-sandbox.ts';
import type { SandboxPlan } from './reconcile-sandbox.ts';

/**
 * Takes up the sandboxes of an earlier daemon. Resolves when nothing that it left stands in the way of new ones: what
 * pods of another boot held is free again. Containers' own sandboxes follow their containers.
 */
export async function recoverSandboxes(parts: CreateParts): Promise<void> {
  const plans = parts.sandboxes.all().map((sandbox) => ({ sandbox, plan: planOf(sandbox, parts) }));
  await restoreNetwork(
    parts,
    plans.filter(({ plan }) => plan === 'keep').map(({ sandbox }) => sandbox),
  );
  await Promise.all(plans.map(({ sandbox, plan }) => recoverSandbox(sandbox, parts, plan)));
  await detachUnowned(parts);
}

function planOf(sandbox: SandboxActor, parts: CreateParts): SandboxPlan {
  if (isPrivate(sandbox)) return 'nothing';
  const { bootId } = parts.clock;
  return reconcileSandbox(sandbox.row, { bootId, isWhole: parts.namespaces.areWhole(sandbox.pins) });
}

async function restoreNetwork(parts: CreateParts, kept: readonly SandboxActor[]): Promise<void> {
  const restored = kept.flatMap(({ id: sandboxId, spec: { network, ports }, state }) =>
    network === 'cni' && state.phase === 'ready' ? [{ sandboxId, ports, addresses: state.addresses }] : [],
  );
  try {
    await parts.network.restore(restored);
  } catch (error) {
    parts.log.error('host ports of earlier sandboxes could not be taken over', { error: messageOf(error) });
  }
}

async function recoverSandbox(sandbox: SandboxActor, parts: CreateParts, plan: SandboxPlan): Promise<void> {
  if (plan === 'undo') await undoCreation(sandbox, parts);
  if (plan === 'stop') {
    const isOver = 'bootId' in sandbox.state && sandbox.state.bootId !== parts.clock.bootId;
    const reason = isOver ? 'the host went down' : 'recovery';
    // Its containers may take their time to be recovered; nobody has to wait for that.
    const stopping = stopSandbox(sandbox, parts, { requester: 'recovery', reason });
    if (isOver) await stopping.catch(() => undefined);
    else detach(parts.log, 'sandbox stop', stopping);
  }
  sandbox.endRecovery();
}

async function undoCreation(sandbox: SandboxActor, parts: CreateParts): Promise<void> {
  const { state } = sandbox;
  if ('pins' in state) await takeDownOrOwe(sandbox, parts, state.pins);
  await sandbox.mailbox.run(() => sandbox.commitRemoval());
  parts.sandboxes.remove(sandbox.id, sandbox.spec.name);
}

/** What is held for sandboxes that nobody knows, or that have nothing any more; what is owed has its debt. */
async function detachUnowned(parts: CreateParts): Promise<void> {
  const owed = new Set(parts.debts.list().flatMap(({ kind, sandbox }) => (kind === 'network' ? [sandbox] : [])));
  for (const id of await parts.network.find()) {
    const known = parts.sandboxes.get(id);
    if (owed.has(id) || (known !== undefined && known.state.phase !== 'stopped')) continue;
    const pins = known === undefined ? {} : parts.namespaces.plan(known.spec, ['net']);
    try {
      await parts.network.detach(id, existing(parts, pins.net));
    } catch (error) {
      parts.debts.add({
        kind: 'network',
        what: `network of sandbox ${id}`,
        sandbox: id,
        pins,
        error: messageOf(error),
      });
    }
  }
}
