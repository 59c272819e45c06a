import { BerthError, messageOf } from '../../base/errors.ts';
import { ContainerActor } from '../container/actor.ts';
import type { CreateParts } from '../container/create.ts';
import type { ContainerRow, ContainerState } from '../container/state.ts';
import type { RunObservation, RunRef, Runtime } from '../ports.ts';
import { SandboxActor } from '../sandbox/actor.ts';
import { recoverContainer } from './recover.ts';

/** A run that lives and belongs to no row. Only a person may say what becomes of it. */
export interface ForeignRun {
  readonly run: RunRef;
  readonly handler: string;
  readonly processes: number;
}

/**
 * Sees to what exists without a row. Nothing that lives is ever removed here: it is adopted from what was written
 * beside it, or reported. Dead remains are removed, unless the database is new: then they may be all that is left of
 * somebody's containers.
 */
export async function recoverOrphans(parts: CreateParts, isDatabaseNew: boolean): Promise<readonly ForeignRun[]> {
  const foreign: ForeignRun[] = [];
  const seen = new Set<string>(); // the drivers of several handlers look into the same folder
  for (const runtime of parts.runtimes.values()) {
    for (const run of await runtime.find()) {
      if (parts.containers.get(run.containerId) !== undefined || seen.has(keyOf(run))) continue;
      const found = await runtime.observe(run);
      if (found === undefined || !isOf(parts, runtime, found)) continue;
      seen.add(keyOf(run));
      if (isDatabaseNew && found.saved !== undefined) adopt(parts, found, found.saved);
      else if (found.liveProcesses > 0) {
        foreign.push({ run, handler: runtime.handler, processes: found.liveProcesses });
        parts.log.warn('a container runs that is not in the database', { container: run.containerId });
      } else await removeRemains(parts, runtime, run);
    }
  }
  return foreign;
}

function keyOf({ containerId, number }: RunRef): string {
  return `${containerId}/${number}`;
}

/** A run whose handler is not configured any more is anybody's. */
function isOf({ runtimes }: CreateParts, runtime: Runtime, { saved }: RunObservation): boolean {
  const handler = saved?.row.spec.handler;
  return handler === undefined || !runtimes.has(handler) || handler === runtime.handler;
}

/** Makes a row of what stood beside the run; what became of the run since is for the recovery of containers to see. */
function adopt(parts: CreateParts, found: RunObservation, saved: NonNullable<RunObservation['saved']>): void {
  const name = parts.containers.isNameTaken(saved.row.spec.name) ? saved.row.spec.id : saved.row.spec.name;
  const spec = { ...saved.row.spec, name };
  const row: ContainerRow = {
    ...saved.row,
    spec,
    state: adoptedState(parts, found, saved.row),
    runs: found.run.number,
  };
  const known = parts.sandboxes.get(saved.sandbox.spec.id); // a pod's other containers may have brought it along
  const sandbox = known ?? new SandboxActor(saved.sandbox, parts, 'saved');
  parts.journal.record({ containers: [row], sandboxes: [sandbox.row] }, [
    { type: 'container.created', container: spec.id, sandbox: sandbox.id, body: { name, adopted: true } },
  ]);
  parts.sandboxes.add(sandbox);
  parts.containers.add(new ContainerActor(row, sandbox, parts, 'saved'));
  parts.log.info('container adopted from what stood beside its run', { container: spec.id, name });
}

function adoptedState({ clock }: CreateParts, found: RunObservation, row: ContainerRow): ContainerState {
  const { processes, run } = found;
  if (processes === undefined) {
    const deadline = { bootId: clock.bootId, at: clock.now() };
    return { phase: 'starting', run: { number: run.number, step: 'creating', deadline } };
  }
  return {
    phase: 'running',
    run: { number: run.number, processes, startedAt: row.createdAt, startedBoot: clock.now() },
  };
}

/** For a person who says so: the run becomes a container like any other. */
export async function adoptRun(parts: CreateParts, run: RunRef): Promise<void> {
  for (const runtime of parts.runtimes.values()) {
    const found = await runtime.observe(run);
    if (found?.saved === undefined) continue;
    adopt(parts, found, found.saved);
    const actor = parts.containers.find(run.containerId);
    await recoverContainer(actor, parts);
    actor.sandbox.endRecovery();
    return;
  }
  throw new BerthError('WrongState', `Cannot adopt run of ${run.containerId}: nothing tells what it was made from`);
}

/** For a person who says so: it is killed, and what it leaves is removed or owed. */
export async function removeRun(parts: CreateParts, run: RunRef): Promise<void> {
  for (const runtime of parts.runtimes.values()) {
    if ((await runtime.observe(run)) === undefined) continue;
    runtime.killAll(run);
    await removeRemains(parts, runtime, run);
  }
}

async function removeRemains(parts: CreateParts, runtime: Runtime, run: RunRef): Promise<void> {
  for (const { kind, what, path, perform } of runtime.cleanSteps(run)) {
    try {
      await perform();
    } catch (error) {
      const { containerId: container, number } = run;
      const where = path === undefined ? {} : { path };
      parts.debts.add({ kind, what, ...where, container, run: number, error: messageOf(error) });
    }
  }
}

/** Namespaces, snapshots and sandboxes without an owner hold nothing that lives. */
export async function removeUnowned(parts: CreateParts): Promise<void> {
  for (const sandbox of parts.sandboxes.all()) {
    const { owner } = sandbox.spec;
    if (owner === undefined || parts.containers.get(owner) !== undefined) continue;
    sandbox.commitRemoval();
    parts.sandboxes.remove(sandbox.id, sandbox.spec.name);
  }
  const owed = new Set(parts.debts.list().flatMap(({ kind, sandbox }) => (kind === 'network' ? [sandbox] : [])));
  for (const id of await parts.namespaces.find()) {
    if (parts.sandboxes.get(id) !== undefined || owed.has(id)) continue; // a network is left while its namespace is there
    const debt = { kind: 'namespaces' as const, what: `namespaces of ${id}`, sandbox: id };
    await orDebt(parts, () => parts.namespaces.removeUnowned(id), debt);
  }
  for (const id of await parts.images.findSnapshots()) {
    if (parts.containers.get(id) !== undefined) continue;
    const debt = { kind: 'snapshot' as const, what: `snapshot of ${id}`, container: id };
    await orDebt(parts, () => parts.images.removeSnapshot(id), debt);
  }
}

async function orDebt(
  parts: CreateParts,
  work: () => Promise<void>,
  debt: Omit<Parameters<CreateParts['debts']['add']>[0], 'error'>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    parts.debts.add({ ...debt, error: messageOf(error) });
  }
}
