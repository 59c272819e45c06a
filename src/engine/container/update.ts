import { untilAborted } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ContainerActor } from './actor.ts';
import { checkResources, mergeResources } from './resources.ts';
import type { Requester, Resources } from './spec.ts';
import { currentRun, isLive } from './state.ts';
import type { LiveRun } from './state.ts';

export interface UpdateRequest {
  /** What is named is changed; -1 for memory or its swap takes the limit away. */
  readonly resources: Resources;
  /** What the door was told beside them, for the timeline. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly requester: Requester;
  /** Ends the wait, never the update. */
  readonly signal?: AbortSignal;
}

/**
 * Changes the limits of a container: those of the run that lives and, from then on, of the next ones. All of them are
 * changed or none. Updates of one container come one after the other.
 * @throws BerthError InvalidArgument; Unsupported for what this host cannot limit; WrongState when it uses more memory
 *   than it may have then, or is being removed; DeadlineExceeded
 */
export async function updateContainer(
  actor: ContainerActor,
  parts: EngineParts,
  request: UpdateRequest,
): Promise<void> {
  await untilAborted(
    actor.updates.run(() => update(actor, parts, request)),
    request.signal,
  );
}

/** Goes round again when another run has begun meanwhile, with the limits of before. */
async function update(actor: ContainerActor, parts: EngineParts, request: UpdateRequest): Promise<void> {
  const before = actor.spec.resources;
  const resources = mergeResources(before, request.resources);
  checkResources(resources, 'update');
  runtimeOf(parts, actor.spec).checkResources(resources);
  for (let applied: number | undefined; ; ) {
    const state = await actor.until(({ phase }) => phase !== 'creating' && phase !== 'starting');
    if (isLive(state) && state.run.number !== applied) {
      await applyTo(state.run, actor, parts, resources);
      applied = state.run.number;
    }
    if (await actor.mailbox.run(() => save(actor, request, resources, applied))) return;
  }
}

async function applyTo(run: LiveRun, actor: ContainerActor, parts: EngineParts, resources: Resources): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const { row } = actor;
  const changed = { ...row, spec: { ...row.spec, resources } };
  try {
    await actor.step('update.apply', () => runtime.update(actor.run(run.number), changed, row.spec.resources));
  } catch (error) {
    if (currentRun(actor.state)?.number === run.number && runtime.isAlive(run.processes.init)) throw error;
    // it has ended, and its cgroup with it: the next run will have the new limits
  }
}

/** False when a run has none of it yet. */
function save(
  actor: ContainerActor,
  { requester, annotations }: UpdateRequest,
  resources: Resources,
  applied: number | undefined,
): boolean {
  const { state, spec } = actor;
  if (actor.isGone || state.phase === 'removing') {
    throw new BerthError('WrongState', `Cannot update container "${spec.name}": it is being removed`);
  }
  const run = currentRun(state)?.number;
  if (run !== undefined && run !== applied) return false;
  const body = { resources, requester, ...(annotations === undefined ? {} : { annotations }) };
  actor.commit('update.save', {
    state,
    resources,
    events: [{ type: 'container.updated', ...(run === undefined ? {} : { run }), body }],
  });
  return true;
}
