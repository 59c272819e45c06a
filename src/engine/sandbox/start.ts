import { BerthError, messageOf } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import type { SandboxActor } from './actor.ts';
import type { NamespacePins, SandboxSpec } from './state.ts';

const CREATE_DEADLINE_MS = 30_000;

/**
 * Makes the sandbox's namespaces, unless they are there. Their names are saved before they are made, so that whatever
 * a crash leaves has an owner.
 */
export async function readySandbox(sandbox: SandboxActor, parts: EngineParts): Promise<void> {
  await sandbox.mailbox.run(async () => {
    if (sandbox.isGone) throw new BerthError('NotFound', `Cannot use sandbox "${sandbox.spec.name}": it was removed`);
    const { bootId } = parts.clock;
    if (sandbox.state.phase === 'ready' && sandbox.state.bootId === bootId) return;
    const pins = parts.namespaces.plan(sandbox.id, kindsOf(sandbox.spec));
    const deadline = { bootId, at: parts.clock.now() + CREATE_DEADLINE_MS };
    sandbox.commit({ phase: 'creating', pins, deadline });
    try {
      await parts.namespaces.create(pins, sandbox.spec.hostname);
    } catch (error) {
      await undo(sandbox, parts, pins);
      throw error;
    }
    sandbox.commit({ phase: 'ready', pins, bootId }, [
      { type: 'sandbox.ready', body: { network: sandbox.spec.network } },
    ]);
  });
}

/** What a sandbox owns itself: everything but the host's network, with which the host's name goes. */
function kindsOf(spec: SandboxSpec): (keyof NamespacePins)[] {
  return spec.network === 'host' ? ['ipc'] : ['net', 'ipc', 'uts'];
}

async function undo(sandbox: SandboxActor, parts: EngineParts, pins: NamespacePins): Promise<void> {
  try {
    await parts.namespaces.remove(pins);
  } catch (error) {
    const what = `namespaces of ${sandbox.spec.name}`;
    parts.debts.add({ kind: 'namespaces', what, sandbox: sandbox.id, pins, error: messageOf(error) });
  }
  sandbox.commit({ phase: 'stopped', stoppedAt: parts.clock.wall() });
}
