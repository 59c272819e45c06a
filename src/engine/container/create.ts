import { untilAborted } from '../../base/abort.ts';
import { BerthError, messageOf } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeNamed } from '../parts.ts';
import type { Image } from '../ports.ts';
import type { Registry } from '../registry.ts';
import { SandboxActor } from '../sandbox/actor.ts';
import type { SandboxRow } from '../sandbox/state.ts';
import { ContainerActor } from './actor.ts';
import { checkRequest, resolveSpec, userNameOf } from './resolve-spec.ts';
import type { ContainerRequest, ContainerSpec } from './spec.ts';

export interface CreateParts extends EngineParts {
  readonly containers: Registry<ContainerActor>;
  readonly sandboxes: Registry<SandboxActor>;
}

export interface CreateOptions {
  /** Ends the wait, never the creation. */
  readonly signal?: AbortSignal;
}

const CREATE_DEADLINE_MS = 60_000;

/**
 * Makes a container: everything that can be refused is refused here, so that a start fails only for the host's
 * reasons. A failure leaves nothing of it.
 * @throws BerthError InvalidArgument, NotFound (the image), AlreadyExists (the name), ResourceExhausted (the disk),
 *   DeadlineExceeded (a mount source that does not answer)
 */
export async function createContainer(
  request: ContainerRequest,
  parts: CreateParts,
  options: CreateOptions = {},
): Promise<ContainerActor> {
  checkRequest(request);
  refuseInTrouble(parts);
  const image = parts.images.find(request.image);
  const id = newId();
  const name = request.name ?? shortId(id);
  parts.containers.reserve(id, name);
  return untilAborted(create({ id, name, request, image }, parts), options.signal);
}

interface Draft {
  readonly id: string;
  readonly name: string;
  readonly request: ContainerRequest;
  readonly image: Image;
}

async function create(draft: Draft, parts: CreateParts): Promise<ContainerActor> {
  const { id, name } = draft;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => parts.containers.remove(id, name));
  const spec = await resolve(draft, parts);
  const sandbox = new SandboxActor(privateSandbox(spec, draft.request, parts), parts);
  const deadline = { bootId: parts.clock.bootId, at: parts.clock.now() + CREATE_DEADLINE_MS };
  const row = { spec, state: { phase: 'creating', deadline }, createdAt: parts.clock.wall(), runs: 0 } as const;
  const actor = new ContainerActor(row, sandbox, parts, 'new');

  parts.failpoints.hitSync('create.save.before');
  parts.journal.record({ containers: [row], sandboxes: [sandbox.row] }, []);
  parts.failpoints.hitSync('create.save.after');
  undo.defer(() => parts.journal.record({ removed: { containers: [id], sandboxes: [sandbox.id] } }, []));
  parts.sandboxes.add(sandbox);
  undo.defer(() => parts.sandboxes.remove(sandbox.id, sandbox.spec.name));
  parts.containers.add(actor);

  undo.defer(() => dropSnapshot(spec, parts));
  await actor.step('create.snapshot', () => parts.images.prepareSnapshot(id, spec.image.id));
  await actor.mailbox.run(() => {
    const body = { name, image: spec.image, labels: spec.labels };
    actor.commit('create.created', { state: { phase: 'created' }, events: [{ type: 'container.created', body }] });
  });
  await parts.store.durable();
  refuseInTrouble(parts);
  undo.move(); // made: its removal owns the parts from here
  return actor;
}

/** Nothing new is begun while what is saved does not reach the disk; what exists can still be stopped and removed. */
function refuseInTrouble({ store }: EngineParts): void {
  if (store.trouble !== undefined) {
    throw new BerthError('ResourceExhausted', `Cannot create container: its state cannot be saved: ${store.trouble}`);
  }
}

/** The image's own root is enough to find users in, so nothing of the container is on the host yet. */
async function resolve({ id, name, request, image }: Draft, parts: CreateParts): Promise<ContainerSpec> {
  const runtime = runtimeNamed(parts, request.handler ?? parts.settings.defaultHandler);
  await parts.failpoints.hit('create.resolve.before');
  const resolved = await parts.images.withImage(image.id, (rootfs) =>
    runtime.resolve({
      rootfs,
      userName: userNameOf(request, image),
      mounts: request.mounts ?? [],
      security: request.security ?? {},
      rlimits: request.rlimits ?? [],
      signal: undefined,
    }),
  );
  await parts.failpoints.hit('create.resolve.after');
  return resolveSpec({ id, name, sandboxId: newId(), request, image, settings: parts.settings }, resolved);
}

/** The sandbox of a container that asks for none of its own: it comes and goes with the container. */
function privateSandbox(spec: ContainerSpec, request: ContainerRequest, { clock }: EngineParts): SandboxRow {
  return {
    spec: {
      id: spec.sandboxId,
      name: spec.name,
      network: request.sandbox?.network ?? 'none',
      hostname: request.sandbox?.hostname ?? shortId(spec.id),
      owner: spec.id,
      labels: {},
      annotations: {},
      apiData: undefined,
    },
    state: { phase: 'stopped', stoppedAt: clock.wall() },
    createdAt: clock.wall(),
  };
}

async function dropSnapshot(spec: ContainerSpec, { images, debts }: EngineParts): Promise<void> {
  try {
    await images.removeSnapshot(spec.id);
  } catch (error) {
    debts.add({ kind: 'snapshot', what: `snapshot of ${spec.name}`, container: spec.id, error: messageOf(error) });
  }
}
