import type { IdMappings } from '../../base/id-mappings.ts';
import type { ProcessIdentity } from '../../base/process-identity.ts';
import type { Usage, UsageDetails } from '../../base/usage.ts';
import type {
  MountRequest,
  ProcessUser,
  Resources,
  Rlimit,
  SecurityRequest,
  SupplementalGroups,
} from '../container/spec.ts';
import type { ContainerRow, RunProcesses } from '../container/state.ts';
import type { DebtKind } from '../rows.ts';
import type { NamespacePins, SandboxRow } from '../sandbox/state.ts';

/** One run of a container. Exits, waits, events and signals name a run, so that none of them touches a successor. */
export interface RunRef {
  readonly containerId: string;
  readonly number: number;
}

/** Everything that a run is made from. */
export interface RunPlan {
  readonly run: RunRef;
  /** Written beside the run, so that a lost database can be rebuilt from what is there. */
  readonly row: ContainerRow;
  readonly sandbox: SandboxRow;
  readonly pins: NamespacePins;
  /** The process whose PID namespace it joins, when that is neither its own nor the host's. */
  readonly pidOf: ProcessIdentity | undefined;
}

/** Folders at which something has to be mounted before the run can be created. */
export interface PreparedRun {
  readonly rootfs: string;
  /** Of the images that are volumes, in their order. */
  readonly volumes: readonly string[];
}

/** A start that the program or the request is to blame for. Docker's codes: 127 not found, 126 not executable. */
export interface StartFailure {
  readonly exitCode: 126 | 127 | 128;
  readonly message: string;
}

export type FrozenBy = 'nobody' | 'itself' | { readonly ancestor: string };

/** What PID 1 would do with a signal. `default`: neither caught, blocked nor ignored. */
export interface SignalView {
  readonly isPending: boolean;
  readonly disposition: 'caught' | 'blocked' | 'ignored' | 'default';
}

/** The end of a run's PID 1 as its pidfd tells it. */
export interface InitEnd {
  /** Boottime in ms. */
  readonly at: number;
  /** Undefined: it was reaped before anybody could read it. */
  readonly wait: { readonly code: number; readonly signal: number | undefined } | undefined;
}

/** What the monitor wrote when the run ended; everything that was printed is in the log by then. */
export interface ExitFile {
  readonly code: number;
  /** Unix ms. */
  readonly at: number;
}

/** Looks at one run until it is over. */
export interface RunWatch extends Disposable {
  readonly initEnded: Promise<InitEnd>;
  readonly monitorEnded: Promise<void>;
  readExitFile(): Promise<ExitFile | undefined>;
}

/** Keeps a stop's promises without the daemon: kills at its time, and leaves nothing frozen. */
export interface Guard {
  openWindow(): void;
  closeWindow(): void;
  /** Resolves when nothing of it is left. */
  cancel(): Promise<void>;
}

export interface GuardOrder {
  readonly init: ProcessIdentity;
  /** Boottime in ms; undefined: never. */
  readonly killAt: number | undefined;
  readonly signal: number;
}

/** One thing to undo after a run. Doing it twice is as good as once. */
export interface CleanStep {
  readonly kind: CleanKind;
  /** What it is about, for people: a path, a runtime id. */
  readonly what: string;
  /** What a debt of it has to remember, for the time when nothing else of the run is known. */
  readonly path?: string;
  readonly perform: () => Promise<void>;
}

export type CleanKind = Extract<DebtKind, 'processes' | 'runtime' | 'cgroup' | 'rootfs' | 'run-folder'>;

/** What recovery finds of a run on the host. */
export interface RunObservation {
  readonly run: RunRef;
  /** The rows that were written beside the run; undefined when they cannot be read. */
  readonly saved: { readonly row: ContainerRow; readonly sandbox: SandboxRow } | undefined;
  /** As the runtime and the monitor wrote them down; undefined: the run never got that far. */
  readonly processes: RunProcesses | undefined;
  readonly isInitAlive: boolean;
  readonly isMonitorAlive: boolean;
  /** Processes of the container, whatever became of its PID 1. */
  readonly liveProcesses: number;
  readonly exitFile: ExitFile | undefined;
  readonly frozenBy: FrozenBy;
  /** Boottime in ms when a guard killed it. */
  readonly guardFiredAt: number | undefined;
}

/** Why a process does not go on, or does not end. */
export interface ProcessDiagnosis {
  readonly pid: number;
  readonly command: string;
  readonly state: string;
  /** The kernel function it sleeps in, where the kernel tells. */
  readonly waitsIn?: string;
  readonly syscall?: string;
  /** For a process in state D: the mount of the file it works on. */
  readonly mount?: string;
  /** It holds the write end of the container's output. */
  readonly holdsOutput: boolean;
}

export interface RunDiagnosis {
  readonly frozenBy: FrozenBy;
  readonly monitor: 'alive' | 'stopped' | 'gone';
  readonly processes: readonly ProcessDiagnosis[];
}

export interface ExecPlan {
  readonly id: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly hasStdin: boolean;
  /** Its three streams are one terminal; everything that it prints is stdout. */
  readonly hasTerminal: boolean;
  /** Of the terminal, from the first moment on. */
  readonly size: TerminalSize | undefined;
}

/** In characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** A process that runs in a container beside its PID 1. */
export interface ExecProcess {
  readonly identity: ProcessIdentity;
  /** Ends ≤ 2 s after the process, even when a child of it keeps the pipe. */
  readonly output: AsyncIterable<OutputChunk>;
  write(data: Uint8Array): Promise<void>;
  /** Of a terminal: what its user would type to say so. */
  closeInput(): void;
  /** Without a terminal nothing. */
  resize(size: TerminalSize): void;
  signal(number: number): boolean;
  /** Ends it and all that it started. */
  kill(): Promise<void>;
  /** Its client is gone: its terminal hangs up first, so that it may tidy up; then as `kill`. */
  abandon(): Promise<void>;
  readonly ended: Promise<{ readonly code: number; readonly isOutputCut: boolean }>;
}

/** What a client of a run's standard streams wants of them. */
export interface AttachOptions {
  readonly hasInput: boolean;
  readonly hasOutput: boolean;
}

/** One client of a run's standard streams. Several share them; disposing one leaves the others and the run alone. */
export interface AttachStream extends Disposable {
  /**
   * What is printed from now on, until the run is over; of a run with a terminal all of it is stdout. A client that
   * falls behind by more than the runtime's cap is let go of; the run waits for nobody.
   * @throws BerthError ResourceExhausted when it fell behind; Unavailable when the monitor is lost
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves when the run's input has taken it. What nobody can read any more is dropped. */
  write(data: Uint8Array): Promise<void>;
  /** This client has no more input. The run's own ends with it when it is one that ends with its first client. */
  closeInput(): void;
}

export interface LogLine {
  /** RFC 3339 with nanoseconds, as the monitor wrote it. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
  /** The line goes on in the next record. */
  readonly isPartial: boolean;
}

/** What a run uses at a moment. */
export interface RunUsage extends Usage {
  /** Unix ms. */
  readonly at: number;
}

/** What its files and sockets are beside that. */
export interface RunDetails extends UsageDetails {
  readonly at: number;
  /** Descriptors of all processes. */
  readonly openFiles: number;
  readonly sockets: number | undefined;
  /** How many descriptors its PID 1 may have; undefined: no limit. */
  readonly mostOpenFiles: number | undefined;
}

/** What is counted on some hosts and not on others. */
export interface Counters {
  readonly pressure: boolean;
  readonly hugepages: boolean;
  readonly mostHugepages: boolean;
  readonly mostMemory: boolean;
}

export interface LogQuery {
  /** Only the last lines of it. */
  readonly tail?: number;
  /** Unix ms. */
  readonly since?: number;
  /** Goes on with what is written later, until it resolves and everything was read. */
  readonly follow?: Promise<void>;
  readonly signal?: AbortSignal;
}

/** Runs containers. Everything that may hang has a deadline in here. */
export interface Runtime {
  readonly handler: string;
  /** `process`: PID 1 is a process of this host; `sandbox`: it runs in a VM, so every signal goes through the runtime. */
  readonly init: 'process' | 'sandbox';

  /** Finds the user and the bind sources; all of it is refused here rather than at the start. */
  resolve(request: ResolveRequest): Promise<Resolved>;

  /** Finds the program of infra containers. @throws BerthError Unavailable when the host has none */
  findInit(): Promise<string>;

  /** Makes the run's folder: the row for recovery first, then the bundle. */
  prepare(plan: RunPlan): Promise<PreparedRun>;
  /** Makes the runtime object under its monitor. Nothing of the program runs yet. */
  create(run: RunRef, signal: AbortSignal): Promise<RunProcesses | StartFailure>;
  /** Lets the program run. Doing it twice is as good as once. */
  release(run: RunRef): Promise<void>;
  isAlive(process: ProcessIdentity): boolean;
  watch(run: RunRef, processes: RunProcesses): RunWatch;

  /** Makes all processes stand still. False: they did not within the time, and nothing is frozen by this. */
  freeze(run: RunRef, withinMs: number): Promise<boolean>;
  /** Undoes any freeze at the container's own cgroup, by whomever. */
  thaw(run: RunRef): void;
  frozenBy(run: RunRef): FrozenBy;
  /** Synchronous, so that a send can stand between two saves. False: the process has ended. */
  signal(run: RunRef, init: ProcessIdentity, signal: number): boolean;
  /** Sends it to every process of the container but its PID 1, and tells how many there were. */
  signalOthers(run: RunRef, init: ProcessIdentity, signal: number): number;
  viewSignal(init: ProcessIdentity, signal: number): SignalView | undefined;
  /** SIGKILL to every process of the container. Safe to repeat. */
  killAll(run: RunRef): void;
  /** SIGKILL to the monitor itself, when it does not finish. */
  killMonitor(monitor: ProcessIdentity): void;

  armGuard(run: RunRef, order: GuardOrder): Promise<Guard>;
  /** Ends the guards of an earlier daemon, and tells what they found when they lost it. */
  takeOverGuards(run: RunRef): Promise<'sent' | 'unsent' | undefined>;
  /** Boottime in ms when a guard of the run killed it. */
  guardFiredAt(run: RunRef): number | undefined;
  /** Ends every guard of the run: it has exited. */
  endGuards(run: RunRef): Promise<void>;

  /** @throws BerthError InvalidArgument or Unsupported for what this host cannot limit */
  checkResources(resources: Resources): void;
  /**
   * Gives the limits of the row to a run that lives, all of them or none.
   * @param from what it has now
   * @throws BerthError WrongState when it uses more than it may have then; InvalidArgument when the kernel refuses them;
   *   DeadlineExceeded
   */
  update(run: RunRef, row: ContainerRow, from: Resources): Promise<void>;

  pause(run: RunRef): Promise<void>;
  resume(run: RunRef): Promise<void>;

  /** Looks a user up in the running container: its files may have changed. */
  findUser(run: RunRef, name: string): Promise<ProcessUser>;
  exec(run: RunRef, plan: ExecPlan, signal: AbortSignal): Promise<ExecProcess>;
  /** Ends an exec of an earlier daemon and all that it started. */
  killExec(run: RunRef, execId: string, identity: ProcessIdentity): Promise<void>;

  /**
   * Attaches a client to the streams of a run that was created; nothing of it runs, or it runs. An input that ends with
   * its first client ends when the first one with `hasInput` leaves, or says that it has no more.
   * @throws BerthError Unavailable when its monitor does not answer
   */
  attach(run: RunRef, options: AttachOptions): Promise<AttachStream>;
  /** Resolves when the run's terminal has this size, or a newer one. @throws BerthError WrongState; DeadlineExceeded */
  resize(run: RunRef, size: TerminalSize): Promise<void>;

  oomKills(run: RunRef): number | undefined;
  /**
   * In the order in which they must be done.
   * @param path from the step's debt, when it is done again
   */
  cleanSteps(run: RunRef, path?: string): readonly CleanStep[];

  /** Every run that left something in the volatile folder. */
  find(): Promise<readonly RunRef[]>;
  /** Looks at one of them; undefined when nothing of it is there. Only what is in memory is asked: nothing of it hangs. */
  observe(run: RunRef): Promise<RunObservation | undefined>;
  diagnose(run: RunRef, processes: RunProcesses | undefined): RunDiagnosis;

  /** Why a program that ended at once never began: its interpreter is missing, it is no program. Read from its log. */
  explainEarlyEnd(logPath: string): Promise<string | undefined>;
  readLog(path: string, query: LogQuery): AsyncIterable<LogLine>;
  removeLog(path: string): Promise<void>;
  /** Resolves when the new file is there, and what is printed from now on is in it. @throws BerthError NotFound, WrongState */
  reopenLog(run: RunRef, path: string): Promise<void>;
  /** Makes the log file, so that whoever looks finds it from the beginning. */
  makeLog(path: string): Promise<void>;
  readonly counters: Counters;
  /** What the run uses now; undefined when it has no cgroup any more. Only the kernel's memory is asked. */
  usage(run: RunRef): RunUsage | undefined;
  /** Likewise with all that is counted. It may take long for thousands of files, and lets others have their turn. */
  details(run: RunRef, init: ProcessIdentity): Promise<RunDetails | undefined>;
  /** What all processes of a cgroup use: one that a pod has for itself. */
  usageOfCgroup(path: string): RunUsage | undefined;
}

export interface ResolveRequest {
  /** The image's root, mounted. */
  readonly rootfs: string;
  /** `user`, `user:group`, `uid:gid`; empty: root. */
  readonly userName: string;
  readonly supplementalGroups: SupplementalGroups | undefined;
  readonly mounts: readonly MountRequest[];
  /** The users of its sandbox, when they are not the host's: one that it does not have cannot run anything. */
  readonly users?: IdMappings | undefined;
  readonly security: SecurityRequest;
  /** What this host cannot limit is refused as well. */
  readonly resources?: Resources;
  readonly rlimits: readonly Rlimit[];
  readonly signal: AbortSignal | undefined;
}

export interface Resolved {
  readonly user: ProcessUser;
  readonly mounts: readonly MountRequest[];
}
