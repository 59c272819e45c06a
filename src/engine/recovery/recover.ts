import { messageOf } from '../../base/errors.ts';
import type { ContainerActor } from '../container/actor.ts';
import { cleanRun } from '../container/clean.ts';
import type { CreateParts } from '../container/create.ts';
import { commitExit, followRun } from '../container/exit.ts';
import { escalatedByGuard } from '../container/guard-fired.ts';
import { finishRemoval } from '../container/remove.ts';
import { failStart, finishRelease } from '../container/start.ts';
import { isLive } from '../container/state.ts';
import type { LiveRun } from '../container/state.ts';
import { resumeStop } from '../container/stop-resume.ts';
import { detach, detached } from '../detach.ts';
import { runtimeOf } from '../parts.ts';
import type { RunObservation } from '../ports.ts';
import { reconcile } from './reconcile.ts';
import type { Plan } from './reconcile.ts';

/** After this an item is shown as quarantined; it is still worked on, and never killed for being slow. */
const SLOW_AFTER_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

export interface RecoveryReport {
  /** What was done with each container that needed something. */
  readonly plans: readonly { readonly container: string; readonly plan: Plan['kind'] }[];
}

/**
 * Takes up every container of an earlier daemon, each by itself: one that hangs keeps no other waiting. Verbs on a
 * container wait for its turn; lists show its last saved state meanwhile.
 */
export async function recoverContainers(parts: CreateParts): Promise<RecoveryReport> {
  const plans = await Promise.all(parts.containers.all().map((actor) => recoverContainer(actor, parts)));
  return { plans: plans.filter(({ plan }) => plan !== 'nothing') };
}

/**
 * One container, however long it takes. It never rejects: what fails is tried again until it is known, and the
 * container is quarantined meanwhile.
 */
export async function recoverContainer(
  actor: ContainerActor,
  parts: CreateParts,
): Promise<{ readonly container: string; readonly plan: Plan['kind'] }> {
  const container = actor.id;
  const slow = new AbortController();
  const noticing = parts.clock.sleep(SLOW_AFTER_MS, slow.signal).then(() => {
    if (slow.signal.aborted) return;
    actor.isQuarantined = true;
    parts.log.warn('container is slow to recover', { container });
  });
  detach(parts.log, 'recovery', noticing);
  try {
    const plan = await recoverOne(actor, parts);
    actor.endRecovery();
    return { container, plan: plan.kind };
  } catch (error) {
    quarantine(actor, parts, error);
    return { container, plan: 'nothing' };
  } finally {
    slow.abort();
  }
}

function quarantine(actor: ContainerActor, parts: CreateParts, error: unknown): void {
  actor.isQuarantined = true;
  parts.log.error('container could not be recovered yet', { container: actor.id, error: messageOf(error) });
  detach(parts.log, 'recovery', recoverAgain(actor, parts));
}

async function recoverAgain(actor: ContainerActor, parts: CreateParts): Promise<void> {
  for (let wait = FIRST_RETRY_MS; !parts.shutdown.aborted; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
    await parts.clock.sleep(wait, parts.shutdown);
    if (parts.shutdown.aborted) return;
    try {
      await recoverOne(actor, parts);
      actor.endRecovery();
      return;
    } catch (error) {
      parts.log.error('container could not be recovered yet', { container: actor.id, error: messageOf(error) });
    }
  }
}

async function recoverOne(actor: ContainerActor, parts: CreateParts): Promise<Plan> {
  const runtime = runtimeOf(parts, actor.spec);
  const found = actor.row.runs === 0 ? undefined : await runtime.observe(actor.run(actor.row.runs));
  const plan = reconcile(actor.row, found, { bootId: parts.clock.bootId, now: parts.clock.wall() });
  await apply(actor, parts, plan, found);
  return plan;
}

async function apply(
  actor: ContainerActor,
  parts: CreateParts,
  plan: Plan,
  found: RunObservation | undefined,
): Promise<void> {
  switch (plan.kind) {
    case 'nothing':
      return;
    case 'undo-create':
      await undoCreate(actor, parts);
      return;
    case 'fail-start':
      await failStart(actor, parts, actor.run(plan.run), new Error('the daemon ended during the start'));
      return;
    case 'release-again':
      await releaseAgain(actor, parts, plan);
      return;
    case 'follow':
      await follow(actor, parts, plan);
      return;
    case 'record-exit':
      await actor.mailbox.run(() => commitExit(actor, plan.exit));
      actor.cleaning = detached(parts.log, 'cleaning', cleanRun(actor, parts, actor.run(plan.exit.run)));
      return;
    case 'clean':
      actor.runOver.abort();
      if (found?.isMonitorAlive === true && found.processes !== undefined && !found.isInitAlive) {
        runtimeOf(parts, actor.spec).killMonitor(found.processes.monitor);
      }
      actor.cleaning = detached(parts.log, 'cleaning', cleanRun(actor, parts, actor.run(plan.run)));
      return;
    case 'finish-removal':
      actor.cleaning =
        actor.row.runs === 0
          ? undefined
          : detached(parts.log, 'cleaning', cleanRun(actor, parts, actor.run(actor.row.runs)));
      await finishRemoval(actor, parts);
  }
}

async function undoCreate(actor: ContainerActor, parts: CreateParts): Promise<void> {
  const deadline = { bootId: parts.clock.bootId, at: parts.clock.now() };
  await actor.mailbox.run(() =>
    actor.commit('remove.save', { state: { phase: 'removing', exit: undefined, deadline } }),
  );
  await finishRemoval(actor, parts);
}

async function releaseAgain(
  actor: ContainerActor,
  parts: CreateParts,
  { run, processes }: Extract<Plan, { kind: 'release-again' }>,
): Promise<void> {
  try {
    await finishRelease(actor, parts, actor.run(run), processes);
  } catch (error) {
    await failStart(actor, parts, actor.run(run), error);
  }
}

async function follow(
  actor: ContainerActor,
  parts: CreateParts,
  { run, processes, phase, guardFiredAt }: Extract<Plan, { kind: 'follow' }>,
): Promise<void> {
  const ref = actor.run(run);
  const live = await actor.mailbox.run(() => correct(actor, parts, phase, guardFiredAt));
  const watch = runtimeOf(parts, actor.spec).watch(ref, processes);
  if (live?.stop !== undefined) resumeStop(actor, parts, live, live.stop);
  detach(parts.log, 'run', followRun(actor, parts, ref, processes, watch));
}

/** Saves what the host shows, where the row says something else. */
function correct(
  actor: ContainerActor,
  parts: CreateParts,
  phase: 'running' | 'paused',
  guardFiredAt: number | undefined,
): LiveRun | undefined {
  const { state } = actor;
  if (!isLive(state)) return undefined;
  const fired = escalatedByGuard(state.run, guardFiredAt);
  const run = fired?.run ?? state.run;
  if (state.phase === phase && fired === undefined) return run;
  actor.commit('resume.save', { state: { phase, run }, events: fired === undefined ? [] : [fired.event] });
  parts.log.info('container differs from its row', { container: actor.id, phase, guardFired: fired !== undefined });
  return run;
}
