import { messageOf } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import type { SandboxActor } from './actor.ts';
import type { NamespacePins } from './state.ts';

/**
 * Removes what a sandbox has on the host. The network is told while the namespace exists, because some plugins leave
 * rules behind when it is gone; so the namespace stays while that fails. Doing it twice is as good as once.
 */
async function takeDown(sandbox: SandboxActor, parts: EngineParts, pins: NamespacePins): Promise<void> {
  await detachNetwork(sandbox, parts, pins);
  await sandbox.step('sandbox.unpin', () => parts.namespaces.remove(sandbox.id, pins));
}

async function detachNetwork(sandbox: SandboxActor, parts: EngineParts, pins: NamespacePins): Promise<void> {
  if (sandbox.spec.network !== 'cni') return;
  await sandbox.step('sandbox.detach', () => parts.network.detach(sandbox.id, existing(parts, pins.net)));
}

/** The file of a namespace that is still one. */
export function existing({ namespaces }: Pick<EngineParts, 'namespaces'>, net: string | undefined): string | undefined {
  return net !== undefined && namespaces.areWhole({ net }) ? net : undefined;
}

/** For whom nothing may stand in the way: what cannot be removed now is a debt. */
export async function takeDownOrOwe(sandbox: SandboxActor, parts: EngineParts, pins: NamespacePins): Promise<void> {
  try {
    await takeDown(sandbox, parts, pins);
  } catch (error) {
    const kind = sandbox.spec.network === 'cni' ? 'network' : 'namespaces';
    const what = `${kind} of sandbox ${sandbox.spec.name}`;
    parts.debts.add({ kind, what, sandbox: sandbox.id, pins, error: messageOf(error) });
  }
}

/**
 * Takes down the sandbox of one container, which is made again at its next start.
 * @param isInUse asked when nobody can make or remove it any more; one that is in use stays as it is
 * @throws what cannot be removed, so that the container owes it
 */
export async function takeDownPrivate(
  sandbox: SandboxActor,
  parts: EngineParts,
  isInUse: () => boolean = () => false,
): Promise<void> {
  await sandbox.making?.finished.catch(() => undefined); // told to whoever waits for it
  await sandbox.mailbox.run(async () => {
    const { state } = sandbox;
    if (sandbox.isGone || state.phase === 'stopped' || isInUse()) return;
    await takeDown(sandbox, parts, state.pins);
    sandbox.commit('sandbox.stopped', { phase: 'stopped', stoppedAt: parts.clock.wall() }, [
      { type: 'sandbox.stopped', body: {} },
    ]);
  });
}
