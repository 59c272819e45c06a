import type { EngineParts } from '../parts.ts';
import type { SandboxActor } from './actor.ts';

/**
 * Removes the sandbox's namespaces. Stopping it twice is as good as once.
 * @param isInUse asked when nobody can make or remove them any more; one that is in use stays as it is
 */
export async function stopSandbox(
  sandbox: SandboxActor,
  parts: EngineParts,
  isInUse: () => boolean = () => false,
): Promise<void> {
  await sandbox.mailbox.run(async () => {
    const { state } = sandbox;
    if (sandbox.isGone || state.phase === 'stopped' || isInUse()) return;
    await parts.namespaces.remove(state.pins);
    sandbox.commit({ phase: 'stopped', stoppedAt: parts.clock.wall() }, [{ type: 'sandbox.stopped', body: {} }]);
  });
}
