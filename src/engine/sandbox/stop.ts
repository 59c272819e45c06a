import type { EngineParts } from '../parts.ts';
import type { SandboxActor } from './actor.ts';

/** Removes the sandbox's namespaces. Stopping it twice is as good as once. */
export async function stopSandbox(sandbox: SandboxActor, parts: EngineParts): Promise<void> {
  await sandbox.mailbox.run(async () => {
    const { state } = sandbox;
    if (sandbox.isGone || state.phase === 'stopped') return;
    await parts.namespaces.remove(state.pins);
    sandbox.commit({ phase: 'stopped', stoppedAt: parts.clock.wall() }, [{ type: 'sandbox.stopped', body: {} }]);
  });
}
