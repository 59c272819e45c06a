import { throwIfAborted } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import type { Making, SandboxActor } from './actor.ts';
import { isPrivate } from './actor.ts';
import { takeDownOrOwe } from './take-down.ts';
import type { NamespacePins, SandboxSpec } from './state.ts';

const MAKE_DEADLINE_MS = 120_000;

/**
 * Makes what a sandbox has on the host, unless it is there: namespaces, network, files. Their names are saved before
 * they are made, so that whatever a crash leaves has an owner. A failure leaves nothing, or a debt.
 * @throws BerthError WrongState for a sandbox that was stopped for good; what the network says
 */
export async function makeSandbox(sandbox: SandboxActor, parts: EngineParts): Promise<void> {
  const making = await sandbox.mailbox.run(() => beginMaking(sandbox, parts));
  await making?.finished;
}

/** Undefined when all of it is there. */
function beginMaking(sandbox: SandboxActor, parts: EngineParts): Making | undefined {
  const { spec, state } = sandbox;
  if (sandbox.isGone) throw new BerthError('NotFound', `Cannot use sandbox "${spec.name}": it was removed`);
  if (state.phase === 'ready' && state.bootId === parts.clock.bootId) return undefined;
  if (sandbox.making !== undefined) return sandbox.making;
  const pins = parts.namespaces.plan(spec, kindsOf(spec));
  const deadline = { bootId: parts.clock.bootId, at: parts.clock.now() + MAKE_DEADLINE_MS };
  sandbox.commit('sandbox.save', { phase: 'creating', pins, deadline });
  const abort = new AbortController();
  const finished = make(sandbox, parts, pins, abort.signal).finally(() => (sandbox.making = undefined));
  finished.catch(() => undefined); // told to whoever waits
  sandbox.making = { abort, finished };
  return sandbox.making;
}

async function make(
  sandbox: SandboxActor,
  parts: EngineParts,
  pins: NamespacePins,
  signal: AbortSignal,
): Promise<void> {
  try {
    const addresses = await makeOnHost(sandbox, parts, pins, signal);
    await sandbox.mailbox.run(() => {
      throwIfAborted(signal);
      const { bootId } = parts.clock;
      const { network } = sandbox.spec;
      sandbox.commit('sandbox.ready', { phase: 'ready', pins, bootId, addresses }, [
        { type: 'sandbox.ready', body: { network, addresses } },
      ]);
    });
  } catch (error) {
    await takeDownOrOwe(sandbox, parts, pins);
    await sandbox.mailbox.run(() =>
      sandbox.commit('sandbox.save', { phase: 'stopped', stoppedAt: parts.clock.wall() }),
    );
    throw error;
  }
}

async function makeOnHost(
  sandbox: SandboxActor,
  parts: EngineParts,
  pins: NamespacePins,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { spec } = sandbox;
  await sandbox.step('sandbox.namespaces', () => parts.namespaces.create(spec, pins));
  throwIfAborted(signal);
  const addresses = await attach(sandbox, parts, pins, signal);
  await sandbox.step('sandbox.files', () => parts.namespaces.writeFiles(spec, addresses));
  return addresses;
}

async function attach(
  sandbox: SandboxActor,
  parts: EngineParts,
  pins: NamespacePins,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { id: sandboxId, network, pod, ports, dns, annotations, cgroupParent } = sandbox.spec;
  if (network !== 'cni' || pins.net === undefined) return [];
  const order = { sandboxId, netns: pins.net, pod, ports, dns, annotations, cgroupParent };
  const attachment = await sandbox.step('sandbox.attach', () => parts.network.attach(order, signal));
  return attachment.addresses;
}

/** What a sandbox owns itself; the host's network brings the host's name along. Shared memory is shared in pods only. */
function kindsOf(spec: SandboxSpec): (keyof NamespacePins)[] {
  return [
    ...(spec.users === undefined ? [] : (['user'] as const)),
    ...(spec.network === 'host' ? [] : (['net', 'uts'] as const)),
    ...(spec.ipc === 'host' ? [] : (['ipc'] as const)),
    ...(spec.ipc === 'host' || spec.owner !== undefined ? [] : (['shm'] as const)),
  ];
}

/** A container's own sandbox is made at each start; a pod's is there, or the container cannot start. */
export async function readySandbox(sandbox: SandboxActor, parts: EngineParts): Promise<void> {
  if (isPrivate(sandbox)) await makeSandbox(sandbox, parts);
  else refuseUnlessReady(sandbox, parts);
}

/** @throws BerthError WrongState unless containers can live in it */
export function refuseUnlessReady(sandbox: SandboxActor, { clock }: Pick<EngineParts, 'clock'>): void {
  const { state, spec } = sandbox;
  if (!sandbox.isGone && state.phase === 'ready' && state.bootId === clock.bootId) return;
  const phase = sandbox.isGone ? 'removed' : state.phase;
  throw new BerthError('WrongState', `Cannot use sandbox "${spec.name}": it is ${phase}, must be ready`);
}
