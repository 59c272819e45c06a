import { messageOf } from '../../base/errors.ts';
import { signalName } from '../../base/signals.ts';
import { detach, detached } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { RunRef, RunWatch } from '../ports.ts';
import type { Commit, ContainerActor } from './actor.ts';
import { cleanRun } from './clean.ts';
import { escalatedByGuard } from './guard-fired.ts';
import { hasOwnPidNamespace } from './spec.ts';
import { currentRun, isLive } from './state.ts';
import type { ExitCause, ExitRecord, LiveRun, RunProcesses, StartingRun } from './state.ts';
import type { ExitFact } from './witness.ts';
import { witnessExit, witnessLog } from './witness.ts';

const FENCE_RETRY_MS = 20;
const LAST_FENCE_RETRY_MS = 10_000;
const EARLY_MS = 1_000;
const SIGKILL = 9;
/** A namespace's first process ends some µs after the last of the others. */
const INFRA_END_MS = 50;
const INFRA_LOOK_MS = 5;

/** Waits for the end of a run and sees to all that follows from it. It never rejects. */
export async function followRun(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  processes: RunProcesses,
  watch: RunWatch,
): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const fact = await witnessExit(watch, {
    clock: parts.clock,
    onLostMonitor: () => onLostMonitor(actor, parts, run),
  });
  // Processes that share a PID namespace with others outlive PID 1; its end is the end of the container all the same.
  if (!hasOwnPidNamespace(actor.spec)) runtime.killAll(run);
  const message = await earlyFailure(actor, parts, fact);
  const isSandboxOver = await endedWithInfra(actor, parts, fact);
  const told = await actor.mailbox.run(() => tellExit(actor, parts, run, { ...fact, isSandboxOver }, message));
  const finishing = finish(actor, parts, run, processes, watch, told?.log ?? 'cut');
  actor.cleaning = detached(parts.log, 'cleaning', finishing);
}

/**
 * The first process of a PID namespace takes all others in it along, with SIGKILL. It is the last of them to be gone:
 * whoever was killed by nobody that is known waits a moment for it.
 */
async function endedWithInfra(actor: ContainerActor, parts: EngineParts, fact: ExitFact): Promise<boolean> {
  const { spec, sandbox, state } = actor;
  const run = currentRun(state);
  if (spec.pid !== 'sandbox' || fact.signal !== SIGKILL || run?.stop !== undefined) return false;
  const end = parts.clock.now() + INFRA_END_MS;
  while (parts.pods.isInfraAlive(sandbox) === true && parts.clock.now() < end) await parts.clock.sleep(INFRA_LOOK_MS);
  return parts.pods.isInfraAlive(sandbox) === false;
}

/** A program that fails within its first moments may never have begun; then the runtime's last words tell why. */
async function earlyFailure(actor: ContainerActor, parts: EngineParts, fact: ExitFact): Promise<string | undefined> {
  const { spec, state } = actor;
  const run = currentRun(state);
  const startedAt = run === undefined ? undefined : 'startedAt' in run ? run.startedAt : run.releasedAt;
  const isEarly = startedAt !== undefined && fact.at - startedAt < EARLY_MS;
  return isEarly && fact.code === 1 ? runtimeOf(parts, spec).explainEarlyEnd(spec.logPath) : undefined;
}

/** Its log first, as the cleaning removes what it is read from. */
async function finish(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  processes: RunProcesses,
  watch: RunWatch,
  told: ExitRecord['log'],
): Promise<void> {
  const log = told === 'pending' ? await actor.step('exit.log', () => witnessLog(watch, parts.clock)) : told;
  if (log !== told) await actor.mailbox.run(() => tellLog(actor, run, log));
  if (log === 'cut') runtimeOf(parts, actor.spec).killMonitor(processes.monitor);
  watch[Symbol.dispose]();
  await cleanRun(actor, parts, run);
}

function onLostMonitor(actor: ContainerActor, parts: EngineParts, run: RunRef): void {
  const isFenced = parts.settings.lostMonitor === 'stop';
  parts.log.error('monitor of a container died', { container: actor.id, run: run.number, isFenced });
  const body = { warning: 'monitor-lost', isFenced };
  const telling = actor.mailbox.run(() =>
    actor.commit('exit.save', { state: actor.state, events: [{ type: 'container.warning', run: run.number, body }] }),
  );
  detach(parts.log, 'warning', telling);
  if (isFenced) detach(parts.log, 'fence', fence(actor, parts, run));
}

/** A run without a monitor has no log and no exit file, and a second one must never run beside it. */
async function fence(actor: ContainerActor, parts: EngineParts, run: RunRef): Promise<void> {
  const over = AbortSignal.any([actor.runOver.signal, parts.shutdown]);
  for (let wait = FENCE_RETRY_MS; !over.aborted; wait = Math.min(wait * 2, LAST_FENCE_RETRY_MS)) {
    try {
      runtimeOf(parts, actor.spec).killAll(run);
    } catch (error) {
      parts.log.error('container without a monitor could not be killed', {
        container: actor.id,
        error: messageOf(error),
      });
    }
    await parts.clock.sleep(wait, over);
  }
}

/** Undefined when the state has gone on without this run, which recovery may have done. */
function tellExit(
  actor: ContainerActor,
  parts: EngineParts,
  run: RunRef,
  fact: SandboxedExit,
  message: string | undefined,
): ExitRecord | undefined {
  const { state } = actor;
  const current = currentRun(state);
  if (current?.number !== run.number) return undefined;
  const runtime = runtimeOf(parts, actor.spec);
  const oomKills = runtime.oomKills(run) ?? 0;
  const isFencing = parts.settings.lostMonitor === 'stop';
  const fired = isLive(state) ? escalatedByGuard(state.run, runtime.guardFiredAt(run)) : undefined;
  const record = exitRecord(run.number, fired?.run ?? current, fact, oomKills, isFencing);
  const exit = message === undefined ? record : { ...record, message };
  const oom = { type: 'container.oom' as const, run: run.number, body: { kills: oomKills } };
  commitExit(actor, exit, [
    ...(fired === undefined ? [] : [fired.event]),
    ...(oomKills > 0 && !exit.isOom ? [oom] : []),
  ]);
  if (actor.spec.role === 'infra' && exit.cause !== 'sandbox') parts.pods.infraEnded(actor.sandbox);
  return exit;
}

/** Makes it the state: `exited` is visible from here on, whatever the cleaning does. */
export function commitExit(actor: ContainerActor, exit: ExitRecord, before: Commit['events'] = []): void {
  actor.commit('exit.save', {
    state: { phase: 'exited', exit, isCleaned: false },
    events: [...before, { type: 'container.exited', run: exit.run, body: { exit } }],
  });
  actor.startAbort = undefined;
  actor.runOver.abort();
}

function tellLog(actor: ContainerActor, run: RunRef, log: 'complete' | 'cut'): void {
  const { state } = actor;
  if (state.phase !== 'exited' || state.exit.run !== run.number) return;
  actor.commit('exit.save', {
    state: { ...state, exit: { ...state.exit, log } },
    events: [{ type: 'container.log', run: run.number, body: { log } }],
  });
}

export interface SandboxedExit extends ExitFact {
  /** It was killed because its sandbox's PID namespace ended. */
  readonly isSandboxOver: boolean;
}

/** Puts together what was seen of the end and what was going on. Pure: tested as a table. */
export function exitRecord(
  run: number,
  current: StartingRun | LiveRun,
  fact: SandboxedExit,
  oomKills: number,
  isFencing: boolean,
): ExitRecord {
  const { stop } = current;
  const kill = 'kill' in current ? current.kill : undefined;
  const startedAt = 'startedAt' in current ? current.startedAt : current.releasedAt;
  const isKilled = fact.signal === SIGKILL;
  const isOom = isKilled && oomKills > 0 && stop?.phase !== 'killing' && kill === undefined && !fact.isMonitorLost;
  const wasStopping = stop !== undefined && stop.phase !== 'sending';
  const cause: ExitCause = isOom
    ? 'oom'
    : fact.isMonitorLost && isFencing
      ? 'monitor-lost'
      : wasStopping || (stop !== undefined && isKilled)
        ? stop.cause
        : kill !== undefined && isKilled
          ? 'kill'
          : fact.isSandboxOver
            ? 'sandbox'
            : 'self';
  const asker = cause === 'kill' ? kill : cause === stop?.cause ? stop : undefined;
  const signal = fact.signal === undefined ? undefined : signalName(fact.signal);
  return {
    run,
    code: fact.code ?? 255,
    isCodeKnown: fact.code !== undefined,
    ...(signal === undefined ? {} : { signal }),
    ...(fact.isSignalDerived ? { isSignalDerived: true } : {}),
    isOom,
    cause,
    ...(asker === undefined ? {} : { requester: asker.requester }),
    ...(asker?.reason === undefined ? {} : { reason: asker.reason }),
    ...(stop === undefined
      ? {}
      : {
          stop: {
            signal: stop.signal,
            delivery: stop.delivery ?? 'none',
            isEscalated: stop.phase === 'killing',
          },
        }),
    ...(startedAt === undefined ? {} : { startedAt }),
    exitedAt: fact.at,
    witness: fact.witness,
    log: fact.log,
  };
}
