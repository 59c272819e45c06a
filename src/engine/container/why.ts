import { signalNumber } from '../../base/signals.ts';
import { formatDuration } from '../../base/units.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ProcessDiagnosis, RunDiagnosis } from '../ports.ts';
import type { Step } from '../steps.ts';
import type { ContainerActor } from './actor.ts';
import { hasOwnPidNamespace } from './spec.ts';
import { currentRun, describePhase } from './state.ts';
import type { LiveRun, StopState } from './state.ts';

/** Why a container is as it is, or does not get on. */
export interface Explanation {
  readonly container: string;
  readonly name: string;
  readonly phase: string;
  /** One sentence. */
  readonly summary: string;
  /** What was found that explains it, most telling first. */
  readonly findings: readonly Finding[];
}

interface Finding {
  readonly kind:
    | 'ignored-signal'
    | 'frozen'
    | 'frozen-ancestor'
    | 'stuck-process'
    | 'holds-output'
    | 'grace'
    | 'runtime'
    | 'monitor'
    | 'debt'
    | 'step'
    | 'exit';
  readonly text: string;
}

/** What people are told of a step that takes long. */
const STEP_WORDS: Partial<Record<Step, string>> = {
  'sandbox.namespaces': 'its namespaces to be made',
  'sandbox.attach': 'its network to be attached',
  'sandbox.files': 'its files to be written',
  'sandbox.detach': 'its network to be detached',
  'sandbox.unpin': 'its namespaces to be removed',
  'create.snapshot': 'its snapshot to be made',
  'start.namespaces': 'its namespaces to be made',
  'start.infra': 'the container to start whose PID namespace it shares',
  'start.prepare': 'its bundle to be written',
  'start.mount': 'its root to be mounted',
  'start.create': 'the runtime to make the container',
  'start.release': 'the runtime to let the program go',
  'stop.guard': 'its guard to be armed',
  'stop.young': 'PID 1 to install a handler for its stop signal',
  'stop.freeze': 'its processes to stand still for the signal',
  'exit.log': 'the end of its log',
  'clean.processes': 'its processes to end',
  'clean.runtime': 'the runtime to delete it',
  'clean.cgroup': 'its cgroup to become empty',
  'clean.rootfs': 'its root to be unmounted',
  'clean.namespaces': 'its namespaces to be removed',
  'pause.pause': 'the runtime to pause it',
  'resume.resume': 'the runtime to resume it',
  'remove.snapshot': 'its snapshot to be removed',
};

export function explainContainer(actor: ContainerActor, parts: EngineParts): Explanation {
  const { state, spec } = actor;
  const findings = [...ofProcesses(actor, parts), ...ofStep(actor, parts), ...ofDebts(actor, parts)];
  return {
    container: actor.id,
    name: spec.name,
    phase: describePhase(state),
    summary: summarize(actor, parts),
    findings,
  };
}

function summarize(actor: ContainerActor, parts: EngineParts): string {
  const { state } = actor;
  const run = currentRun(state);
  if (run?.stop !== undefined) return summarizeStop(run.stop, parts);
  const waitsFor = waitingFor(actor, parts);
  if (waitsFor !== undefined) return `It is ${describePhase(state)} and waits for ${waitsFor}`;
  switch (state.phase) {
    case 'created':
      return 'It was created and waits to be started';
    case 'paused':
      return 'It is paused: its processes are frozen until it is resumed or stopped';
    case 'exited': {
      const { exit } = state;
      const how = exit.signal === undefined ? `code ${exit.code}` : `${exit.signal} (code ${exit.code})`;
      const message = exit.message === undefined ? '' : `: ${exit.message}`;
      return `It exited with ${how}, cause ${exit.cause}${message}`;
    }
    default:
      return `It is ${describePhase(state)} and waits for nothing`;
  }
}

function summarizeStop(stop: StopState, parts: EngineParts): string {
  const { clock } = parts;
  const left = stop.killAt === undefined ? undefined : stop.killAt - clock.now();
  const kill =
    left === undefined ? 'no SIGKILL will follow' : `SIGKILL follows in ${formatDuration(Math.max(0, left))}`;
  if (stop.phase === 'killing' && left !== undefined) {
    return `It is being stopped: SIGKILL was sent ${formatDuration(-left)} ago, and it has not ended`;
  }
  if (stop.sentAt === undefined) return `It is being stopped: ${stop.signal} is about to be sent, ${kill}`;
  const ago = formatDuration(clock.wall() - stop.sentAt);
  return `It is being stopped and waits for its grace: ${stop.signal} was sent ${ago} ago (${stop.delivery ?? 'unknown'}), ${kill}`;
}

/** What is being waited for while a step goes on. */
export function describeStep(step: Step): string {
  return STEP_WORDS[step] ?? `step ${step}`;
}

function waitingFor(actor: ContainerActor, { clock }: EngineParts): string | undefined {
  const { progress } = actor;
  if (progress === undefined) return undefined;
  return `${describeStep(progress.step)} (${formatDuration(clock.now() - progress.since)} so far)`;
}

function ofStep(actor: ContainerActor, parts: EngineParts): Finding[] {
  const waitsFor = waitingFor(actor, parts);
  if (waitsFor === undefined) return [];
  const isRuntime = /^(start\.(create|release)|clean\.runtime|pause\.|resume\.)/.test(actor.progress?.step ?? '');
  return [{ kind: isRuntime ? 'runtime' : 'step', text: `It waits for ${waitsFor}` }];
}

function ofDebts(actor: ContainerActor, parts: EngineParts): Finding[] {
  return parts.debts
    .list()
    .filter((debt) => debt.container === actor.id)
    .map((debt): Finding => ({ kind: 'debt', text: `Not cleaned yet: ${debt.what}: ${debt.lastError}` }));
}

function ofProcesses(actor: ContainerActor, parts: EngineParts): Finding[] {
  const { state, spec } = actor;
  const run = currentRun(state);
  const number = run?.number ?? (state.phase === 'exited' && !state.isCleaned ? state.exit.run : undefined);
  if (number === undefined) return [];
  const diagnosis = runtimeOf(parts, spec).diagnose(actor.run(number), run?.processes);
  const ignored = run !== undefined && 'startedAt' in run ? ofSignal(actor, parts, run) : [];
  return [...ignored, ...findingsOf(diagnosis)];
}

/** Whether PID 1 would see its stop signal. Asked of the kernel now, not remembered. */
function ofSignal(actor: ContainerActor, parts: EngineParts, run: LiveRun): Finding[] {
  const signal = run.stop?.signal ?? actor.spec.stopSignal;
  if (!ignoresSignal(actor, parts, run, signal)) return [];
  const text = `PID 1 neither handles nor blocks ${signal}, so the kernel discards it: only SIGKILL will end the container`;
  return [{ kind: 'ignored-signal', text }];
}

export function ignoresSignal(
  actor: ContainerActor,
  parts: EngineParts,
  run: LiveRun,
  signal: StopState['signal'],
): boolean {
  const number = signalNumber(signal);
  if (number === 9) return false;
  const disposition = runtimeOf(parts, actor.spec).viewSignal(run.processes.init, number)?.disposition;
  return disposition === 'ignored' || (disposition === 'default' && hasOwnPidNamespace(actor.spec));
}

function findingsOf(diagnosis: RunDiagnosis): Finding[] {
  const found: Finding[] = [];
  if (diagnosis.frozenBy === 'itself') found.push({ kind: 'frozen', text: 'Its cgroup is frozen' });
  else if (diagnosis.frozenBy !== 'nobody') {
    found.push({
      kind: 'frozen-ancestor',
      text: `An ancestor of its cgroup is frozen: ${diagnosis.frozenBy.ancestor}`,
    });
  }
  for (const process of diagnosis.processes) {
    if (process.state === 'D' && diagnosis.frozenBy === 'nobody')
      found.push({ kind: 'stuck-process', text: describeStuck(process) });
    if (process.holdsOutput) {
      const text = `Process ${process.pid} (${process.command}) still holds the output of a command that has ended`;
      found.push({ kind: 'holds-output', text });
    }
  }
  if (diagnosis.monitor !== 'alive') found.push({ kind: 'monitor', text: `Its monitor is ${diagnosis.monitor}` });
  return found;
}

function describeStuck({ pid, command, waitsIn, syscall, mount }: ProcessDiagnosis): string {
  const where = waitsIn === undefined ? '' : ` in ${waitsIn}`;
  const call = syscall === undefined ? '' : `, system call ${syscall}`;
  const on = mount === undefined ? '' : `, on the file system at ${mount}`;
  return `Process ${pid} (${command}) hangs in the kernel (state D)${where}${call}${on}: no signal can end it before the kernel lets it go`;
}

/** In one sentence, for an error message. */
export function explainDiagnosis(diagnosis: RunDiagnosis): string {
  const found = findingsOf(diagnosis).filter(({ kind }) => kind !== 'monitor');
  if (found.length > 0) return found.map(({ text }) => text).join('; ');
  const states = diagnosis.processes.map(({ pid, command, state }) => `${pid} (${command}) is in state ${state}`);
  return states.length === 0 ? 'no process of it is left, its exit is awaited' : states.join(', ');
}
