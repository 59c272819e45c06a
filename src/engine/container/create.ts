import { untilAborted } from '../../base/abort.ts';
import { BerthError, messageOf } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeNamed, runtimeOf } from '../parts.ts';
import type { Image, SnapshotOptions } from '../ports.ts';
import type { Registry } from '../registry.ts';
import type { Creations } from '../creations.ts';
import { SandboxActor } from '../sandbox/actor.ts';
import { refuseUnlessReady } from '../sandbox/make.ts';

import { ContainerActor } from './actor.ts';
import { resolveImageMounts } from './image-mounts.ts';
import { checkRequest, resolveSpec, userNameOf } from './resolve-spec.ts';
import { imageVolumesOf } from './spec.ts';
import type { ContainerRequest, ContainerSpec } from './spec.ts';

export interface CreateParts extends EngineParts {
  readonly containers: Registry<ContainerActor>;
  readonly sandboxes: Registry<SandboxActor>;
  readonly containerCreations: Creations<ContainerActor>;
  readonly sandboxCreations: Creations<SandboxActor>;
  /** Infra containers that are being made, by sandbox. */
  readonly infras: Map<string, Promise<ContainerActor>>;
}

export interface CreateOptions {
  /** Ends the wait, never the creation. */
  readonly signal?: AbortSignal;
  /** An equal request of the same name joins the one in flight, or gets the same container for a minute after. */
  readonly isRetried?: boolean;
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
  const begin = (): Promise<ContainerActor> => begun(request, parts);
  const isRetried = options.isRetried === true && request.name !== undefined;
  const creating = isRetried ? parts.containerCreations.join(request.name, request, begin) : begin();
  return untilAborted(creating, options.signal);
}

async function begun(request: ContainerRequest, parts: CreateParts): Promise<ContainerActor> {
  checkRequest(request);
  refuseInTrouble(parts, 'container');
  const image = parts.images.find(request.image);
  const id = newId();
  const name = request.name ?? shortId(id);
  const shared = sharedSandbox(request, parts);
  parts.containers.reserve(id, name);
  const creating = create({ id, name, request, image, shared }, parts);
  shared?.arrivals.add(creating);
  try {
    return await creating;
  } finally {
    shared?.arrivals.delete(creating);
  }
}

/** The pod that it goes into; undefined: it gets a sandbox of its own. */
function sharedSandbox({ sandbox }: ContainerRequest, parts: CreateParts): SandboxActor | undefined {
  if (sandbox === undefined || !('id' in sandbox)) return undefined;
  const shared = parts.sandboxes.find(sandbox.id);
  refuseUnlessReady(shared, parts);
  return shared;
}

interface Draft {
  readonly id: string;
  readonly name: string;
  readonly request: ContainerRequest;
  readonly image: Image;
  readonly shared: SandboxActor | undefined;
}

async function create(draft: Draft, parts: CreateParts): Promise<ContainerActor> {
  const { id, name, shared } = draft;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => parts.containers.remove(id, name));
  const spec = await resolve(draft, parts);
  const sandbox = shared ?? privateSandbox(spec, draft.request, parts);
  const deadline = { bootId: parts.clock.bootId, at: parts.clock.now() + CREATE_DEADLINE_MS };
  const row = { spec, state: { phase: 'creating', deadline }, createdAt: parts.clock.wall(), runs: 0 } as const;
  const actor = new ContainerActor(row, sandbox, parts, 'new');

  parts.failpoints.hitSync('create.save.before');
  const own = shared === undefined ? [sandbox] : [];
  parts.journal.record({ containers: [row], sandboxes: own.map((each) => each.row) }, []);
  parts.failpoints.hitSync('create.save.after');
  undo.defer(() => parts.journal.record({ removed: { containers: [id], sandboxes: own.map((each) => each.id) } }, []));
  for (const each of own) {
    parts.sandboxes.add(each);
    undo.defer(() => parts.sandboxes.remove(each.id, each.spec.name));
  }
  parts.containers.add(actor);

  undo.defer(() => dropSnapshot(spec, parts));
  await actor.step('create.snapshot', () => parts.images.prepareSnapshot(id, spec.image.id, snapshotOf(spec, sandbox)));
  undo.defer(() => dropLog(spec, parts));
  await actor.step('create.log', () => runtimeOf(parts, spec).makeLog(spec.logPath));
  await actor.mailbox.run(() => {
    if (shared !== undefined) refuseUnlessReady(shared, parts);
    const body = { name, image: spec.image, labels: spec.labels };
    actor.commit('create.created', { state: { phase: 'created' }, events: [{ type: 'container.created', body }] });
  });
  await parts.store.durable();
  refuseInTrouble(parts, 'container');
  undo.move(); // made: its removal owns the parts from here
  return actor;
}

function snapshotOf(spec: ContainerSpec, { spec: { users } }: SandboxActor): SnapshotOptions {
  return { volumes: imageVolumesOf(spec), ...(users === undefined ? {} : { users }) };
}

/** Nothing new is begun while what is saved does not reach the disk; what exists can still be stopped and removed. */
export function refuseInTrouble({ store }: EngineParts, kind: 'container' | 'sandbox'): void {
  if (store.trouble === undefined) return;
  throw new BerthError('ResourceExhausted', `Cannot create ${kind}: its state cannot be saved: ${store.trouble}`);
}

/** The image's own root is enough to find users in, so nothing of the container is on the host yet. */
async function resolve(draft: Draft, parts: CreateParts): Promise<ContainerSpec> {
  const { request, image, shared } = draft;
  const handler = request.handler ?? shared?.spec.handler ?? parts.settings.defaultHandler;
  const runtime = runtimeNamed(parts, handler);
  await parts.failpoints.hit('create.resolve.before');
  const mounts = await resolveImageMounts(request.mounts ?? [], parts.images);
  const resolved = await parts.images.withImage(image.id, (rootfs) =>
    runtime.resolve({
      rootfs,
      userName: userNameOf(request, image),
      supplementalGroups: request.supplementalGroups,
      mounts,
      resources: request.resources ?? {},
      users: shared?.spec.users,
      security: request.security ?? {},
      rlimits: request.rlimits ?? [],
      signal: undefined,
    }),
  );
  await parts.failpoints.hit('create.resolve.after');
  return resolveSpec(
    { ...draft, sandboxId: shared?.id ?? newId(), sandbox: shared?.spec, handler, settings: parts.settings },
    resolved,
  );
}

/** The sandbox of a container that asks for none of its own: it comes and goes with the container. */
function privateSandbox(spec: ContainerSpec, { sandbox }: ContainerRequest, parts: EngineParts): SandboxActor {
  const wanted = sandbox !== undefined && 'id' in sandbox ? {} : sandbox;
  const now = parts.clock.wall();
  const row = {
    spec: {
      id: spec.sandboxId,
      name: spec.name,
      network: wanted?.network ?? 'none',
      ipc: 'sandbox',
      hostname: wanted?.hostname ?? shortId(spec.id),
      owner: spec.id,
      ports: [],
      sysctls: {},
      handler: spec.handler,
      labels: {},
      annotations: {},
      apiData: undefined,
    },
    state: { phase: 'stopped', stoppedAt: now },
    createdAt: now,
  } as const;
  return new SandboxActor(row, parts, 'new');
}

/** Where the kubelet says, the log is the kubelet's; it may hold what an earlier attempt said. */
export function isOwnLog(logPath: string, { settings }: Pick<EngineParts, 'settings'>): boolean {
  return logPath.startsWith(`${settings.logFolder}/`);
}

async function dropLog(spec: ContainerSpec, parts: EngineParts): Promise<void> {
  if (isOwnLog(spec.logPath, parts)) await runtimeOf(parts, spec).removeLog(spec.logPath);
}

async function dropSnapshot(spec: ContainerSpec, { images, debts }: EngineParts): Promise<void> {
  try {
    await images.removeSnapshot(spec.id);
  } catch (error) {
    debts.add({ kind: 'snapshot', what: `snapshot of ${spec.name}`, container: spec.id, error: messageOf(error) });
  }
}
