import type { ProcessIdentity } from '../../base/process-identity.ts';
import type { SignalName } from '../../base/signals.ts';
import type { ContainerSpec, Requester } from './spec.ts';

/**
 * ```
 *   creating ─▶ created ─▶ starting ─────────────────▶ running ⇄ paused
 *      │           ▲       creating ▶ created ▶ releasing   │ stop?     │
 *   (undone)       │           │                            ▼           │
 *                  │           └── start failed ───────▶ exited ◀───────┘
 *                  └────── (an exited container may start again) │
 *                                                             removing ─▶ (gone)
 * ```
 * A state is saved as it is, never derived. A transitional one (`creating`, `starting`, `removing`) has a deadline in
 * boottime; recovery resolves every one of them.
 */
export type ContainerState =
  | { readonly phase: 'creating'; readonly deadline: BootDeadline }
  | { readonly phase: 'created' }
  | { readonly phase: 'starting'; readonly run: StartingRun }
  | { readonly phase: 'running'; readonly run: LiveRun }
  | { readonly phase: 'paused'; readonly run: LiveRun }
  | { readonly phase: 'exited'; readonly exit: ExitRecord; readonly isCleaned: boolean }
  | { readonly phase: 'removing'; readonly exit: ExitRecord | undefined; readonly deadline: BootDeadline };

/** A point in boottime, which means nothing in another boot. */
export interface BootDeadline {
  readonly bootId: string;
  /** Boottime in ms. */
  readonly at: number;
}

/** A run before its program runs. */
export interface StartingRun {
  readonly number: number;
  /** `creating`: the runtime object is being made; `created`: it waits for its release; `releasing`: it may run. */
  readonly step: 'creating' | 'created' | 'releasing';
  readonly deadline: BootDeadline;
  /** Known from `created` on. */
  readonly processes?: RunProcesses;
  /** Unix ms; set with `releasing`. */
  readonly releasedAt?: number;
  /** A stop that came during the start. */
  readonly stop?: StopState;
}

/** The two processes of a run on the host. */
export interface RunProcesses {
  readonly init: ProcessIdentity;
  readonly monitor: ProcessIdentity;
}

export interface LiveRun {
  readonly number: number;
  readonly processes: RunProcesses;
  /** Unix ms. */
  readonly startedAt: number;
  /** Boottime in ms, of the boot in `processes.init`. */
  readonly startedBoot: number;
  readonly stop?: StopState;
  /** Set before a SIGKILL that somebody asked for is sent, so that the exit can say who. */
  readonly kill?: KillRequest;
}

interface KillRequest {
  readonly requester: Requester;
  readonly reason?: string;
}

/**
 * The one stop of a run.
 * `sending`: the signal is about to be sent; only a look at the process can tell whether it was.
 * `sent`: it was sent, or is not to be sent (`delivery` says which); what is left is the kill.
 * `killing`: SIGKILL has been sent.
 */
export interface StopState {
  readonly phase: 'sending' | 'sent' | 'killing';
  readonly signal: SignalName;
  /** `frozen`: the process stands still while it is signalled; `plain`: it could not be made to. */
  readonly method: 'frozen' | 'plain';
  readonly delivery?: Delivery;
  /** Unix ms. */
  readonly requestedAt: number;
  readonly sentAt?: number;
  /** Boottime in ms when SIGKILL follows; undefined: never. */
  readonly killAt?: number;
  readonly requester: Requester;
  readonly reason?: string;
  /** What the exit will say was the cause; a stop that joins does not change it. */
  readonly cause: StopCause;
  /** Who asked after the first one. */
  readonly joined: readonly Requester[];
}

export type StopCause = Extract<ExitCause, 'stop' | 'sandbox' | 'timeout' | 'lease' | 'host-shutdown'>;

/**
 * What became of the stop signal. `ignored`: PID 1 neither handles nor blocks it, so the kernel discards it.
 * `unknown`: the daemon died around a send that could not be made atomic. `none`: killed without a signal before.
 */
export type Delivery = 'delivered' | 'ignored' | 'unknown' | 'none';

export type ExitCause =
  | 'self'
  | 'stop'
  | 'kill'
  | 'oom'
  | 'sandbox'
  | 'timeout'
  | 'lease'
  | 'monitor-lost'
  | 'host-shutdown'
  | 'start-failed';

/** Who told how the run ended: the wait status by pidfd, the monitor's exit file, the runtime's failure, nobody. */
export type Witness = 'pidfd' | 'monitor' | 'runtime' | 'none';

export interface ExitRecord {
  readonly run: number;
  /** 0 to 255: the exit code, or 128 + n after signal n. */
  readonly code: number;
  readonly isCodeKnown: boolean;
  readonly signal?: SignalName;
  /** The signal was concluded from the code, which a program may also have returned by itself. */
  readonly isSignalDerived?: boolean;
  readonly isOom: boolean;
  readonly cause: ExitCause;
  readonly requester?: Requester;
  readonly reason?: string;
  /** The stop that was in progress. */
  readonly stop?: { readonly signal: SignalName; readonly delivery: Delivery; readonly isEscalated: boolean };
  /** Why the start failed, or what was found instead of a proper end. */
  readonly message?: string;
  /** Unix ms; undefined when the program never ran. */
  readonly startedAt?: number;
  readonly exitedAt: number;
  readonly witness: Witness;
  readonly log: 'complete' | 'pending' | 'cut';
}

/** A container as it is saved. */
export interface ContainerRow {
  readonly spec: ContainerSpec;
  readonly state: ContainerState;
  /** Unix ms. */
  readonly createdAt: number;
  /** The number of the last run that was begun; 0 before the first. */
  readonly runs: number;
}

export function isLive(state: ContainerState): state is Extract<ContainerState, { phase: 'running' | 'paused' }> {
  return state.phase === 'running' || state.phase === 'paused';
}

/** The run that has something on the host now. */
export function currentRun(state: ContainerState): StartingRun | LiveRun | undefined {
  return state.phase === 'starting' || isLive(state) ? state.run : undefined;
}

export function exitOf(state: ContainerState): ExitRecord | undefined {
  return state.phase === 'exited' || state.phase === 'removing' ? state.exit : undefined;
}

/** How people and error messages call the state. */
export function describePhase(state: ContainerState): string {
  const run = currentRun(state);
  if (run?.stop !== undefined) return 'stopping';
  return state.phase;
}

/** The OCI runtime's name of a run. */
export function runtimeIdOf(containerId: string, run: number): string {
  return run === 1 ? containerId : `${containerId}-r${run}`;
}
