import { untilAborted } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { CreateParts } from '../container/create.ts';
import { refuseInTrouble } from '../container/create.ts';
import { runtimeNamed } from '../parts.ts';
import { SandboxActor } from './actor.ts';
import { makeSandbox } from './make.ts';
import { resolveSandboxSpec } from './resolve-spec.ts';
import type { SandboxRequest, SandboxSpec } from './state.ts';
import { takeDownOrOwe } from './take-down.ts';

export interface CreateSandboxOptions {
  /** Ends the wait, never the creation: a retry joins it. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a pod's sandbox, ready for containers. A retry with an equal request joins the one in flight, or gets the same
 * sandbox for a minute after. A failure leaves nothing of it, and the name is free.
 * @throws BerthError InvalidArgument; AlreadyExists (the name, or a host port); Unavailable while the network is not ready
 */
export async function createSandbox(
  request: SandboxRequest,
  parts: CreateParts,
  options: CreateSandboxOptions = {},
): Promise<SandboxActor> {
  const creating = parts.sandboxCreations.join(request.name, request, () => create(request, parts));
  return untilAborted(creating, options.signal);
}

async function create(request: SandboxRequest, parts: CreateParts): Promise<SandboxActor> {
  const id = newId();
  const spec = resolveSandboxSpec(id, request, parts.settings);
  refuseInTrouble(parts, 'sandbox');
  runtimeNamed(parts, spec.handler);
  parts.sandboxes.reserve(id, spec.name);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => parts.sandboxes.remove(id, spec.name));
  if (spec.network === 'cni' && parts.network.trouble !== undefined) {
    throw new BerthError('Unavailable', `Cannot create sandbox "${spec.name}": ${parts.network.trouble}`);
  }
  if (spec.users !== undefined) await refuseUsersInTrouble(spec.name, parts);
  const sandbox = newSandbox(spec, parts);
  parts.sandboxes.add(sandbox);
  undo.defer(() => sandbox.mailbox.run(() => sandbox.commitRemoval()));
  await makeSandbox(sandbox, parts);
  undo.defer(() => takeDownOrOwe(sandbox, parts, sandbox.pins));
  await parts.store.durable();
  refuseInTrouble(parts, 'sandbox');
  undo.move(); // made: its removal owns the parts from here
  return sandbox;
}

async function refuseUsersInTrouble(name: string, { images }: CreateParts): Promise<void> {
  const trouble = await images.idmapTrouble();
  if (trouble === undefined) return;
  const message = `Cannot create sandbox "${name}" with users of its own: ${trouble}`;
  throw new BerthError('Unsupported', message, { field: 'users' });
}

/** Nothing of it is on the host or saved yet: the making begins with saving the names of what it makes. */
function newSandbox(spec: SandboxSpec, parts: CreateParts): SandboxActor {
  const now = parts.clock.wall();
  return new SandboxActor({ spec, state: { phase: 'stopped', stoppedAt: now }, createdAt: now }, parts, 'new');
}
