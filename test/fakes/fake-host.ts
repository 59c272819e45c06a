import type { ProcessIdentity } from '../../src/base/process-identity.ts';
import type { StartFailure } from '../../src/engine/ports.ts';
import type { RunFile } from '../../src/runtime/run-folder.ts';
import { FakeStreams } from './fake-streams.ts';
import type { ManualClock } from './manual-clock.ts';

/** How a container's program behaves. Times in ms. */
export interface FakeProgram {
  /** When it installs a handler for its signals, after its start; left out: never. */
  readonly handlerAfterMs?: number;
  /** When it exits after a signal that it handles; left out: never. */
  readonly exitsAfterSignalMs?: number;
  /** When it exits by itself; left out: never. */
  readonly exitsAfterMs?: number;
  readonly exitCode?: number;
  readonly startFailure?: StartFailure;
  /** What it prints as the first thing. */
  readonly prints?: string;
  /** It prints what is written to it, and exits at the end of that. */
  readonly echoes?: boolean;
  /** It hangs in the kernel: nothing ends it until `unstick`, and it cannot be frozen. */
  readonly isStuck?: boolean;
}

export type FakeExit = { readonly code: number; readonly signal: number | undefined };

/** PID 1 of a container. Its signals follow the kernel's rules for the init of a PID namespace. */
export class FakeProcess {
  readonly identity: ProcessIdentity;
  readonly program: FakeProgram;
  readonly received: number[] = [];
  readonly pending = new Set<number>();
  isFrozen = false;
  isReleased = false;
  hasHandler = false;
  isStuck: boolean;
  exit: FakeExit | undefined;
  onReleased: () => void = () => undefined;
  readonly #clock: ManualClock;
  readonly #ended = Promise.withResolvers<FakeExit>();
  #isKilled = false;
  #deferred: (() => void)[] = [];

  constructor(clock: ManualClock, identity: ProcessIdentity, program: FakeProgram) {
    this.#clock = clock;
    this.identity = identity;
    this.program = program;
    this.isStuck = program.isStuck ?? false;
  }

  get isAlive(): boolean {
    return this.exit === undefined;
  }

  get ended(): Promise<FakeExit> {
    return this.#ended.promise;
  }

  release(): void {
    if (this.isReleased || !this.isAlive) return;
    this.isReleased = true;
    this.onReleased();
    const { handlerAfterMs, exitsAfterMs, exitCode = 0 } = this.program;
    if (handlerAfterMs !== undefined) this.#later(handlerAfterMs, () => (this.hasHandler = true));
    if (exitsAfterMs !== undefined) this.#later(exitsAfterMs, () => this.#die({ code: exitCode, signal: undefined }));
  }

  signal(number: number): boolean {
    if (!this.isAlive) return false;
    if (number === 9) {
      this.#isKilled = true;
      if (!this.isStuck) this.#die({ code: 137, signal: 9 });
      return true;
    }
    if (!this.hasHandler) return true; // the kernel discards what its init does not handle
    if (this.isFrozen || this.isStuck) this.pending.add(number);
    else this.#deliver(number);
    return true;
  }

  /** By itself. */
  leave(code: number): void {
    this.#later(0, () => this.#die({ code, signal: undefined }));
  }

  freeze(): boolean {
    if (this.isStuck) return false;
    this.isFrozen = true;
    return true;
  }

  thaw(): void {
    if (!this.isFrozen) return;
    this.isFrozen = false;
    this.#catchUp();
  }

  unstick(): void {
    this.isStuck = false;
    if (this.#isKilled) this.#die({ code: 137, signal: 9 });
    else this.#catchUp();
  }

  #catchUp(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const act of deferred) act();
    for (const number of this.pending) this.#deliver(number);
    this.pending.clear();
  }

  #deliver(number: number): void {
    if (!this.isAlive) return;
    this.received.push(number);
    const { exitsAfterSignalMs, exitCode = 0 } = this.program;
    if (exitsAfterSignalMs !== undefined)
      this.#later(exitsAfterSignalMs, () => this.#die({ code: exitCode, signal: undefined }));
  }

  #later(ms: number, act: () => void): void {
    this.#clock.after(ms, () => {
      if (!this.isAlive) return;
      if (this.isFrozen || this.isStuck) this.#deferred.push(act);
      else act();
    });
  }

  #die(exit: FakeExit): void {
    if (!this.isAlive) return;
    this.exit = exit;
    this.pending.clear();
    this.#ended.resolve(exit);
  }
}

/** The monitor of a run: it writes the exit file a little after the end, unless it was killed or stopped. */
class FakeMonitor {
  readonly identity: ProcessIdentity;
  isAlive = true;
  isStopped = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(identity: ProcessIdentity) {
    this.identity = identity;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  end(): void {
    this.isAlive = false;
    this.#ended.resolve();
  }
}

export interface FakeRun {
  file: RunFile;
  process: FakeProcess | undefined;
  streams: FakeStreams | undefined;
  monitor: FakeMonitor | undefined;
  isKnownToRuntime: boolean;
  isMounted: boolean;
  exitFile: { readonly code: number; readonly at: number } | undefined;
  verdict: 'sent' | 'unsent' | undefined;
  guardFiredAt: number | undefined;
  guards: FakeGuard[];
  /** The process whose PID namespace it lives in. */
  readonly pidOf: ProcessIdentity | undefined;
}

export interface FakeGuard {
  isArmed: boolean;
  isWindowOpen: boolean;
}

/** What lives outside of the daemon. Engines come and go on it. */
export class FakeHost {
  readonly clock: ManualClock;
  readonly programs = new Map<string, FakeProgram>();
  /** By runtime id. */
  readonly runs = new Map<string, FakeRun>();
  /** Every PID 1 that there ever was, by container id. */
  readonly history = new Map<string, FakeProcess[]>();
  readonly pins = new Set<string>();
  readonly snapshots = new Set<string>();
  readonly mounts = new Set<string>();
  /** Addresses by sandbox. */
  readonly attachments = new Map<string, string>();
  /** Why nothing can be detached now. */
  detachTrouble: string | undefined;
  /** Why nothing can be attached now. */
  attachTrouble: string | undefined;
  /** How long a call of the runtime takes; tests make it random. */
  latencyMs: () => number = () => 1;
  /** How long the monitor takes from the end of PID 1 to its exit file. */
  monitorDelayMs = 2;
  /** So often what is asked of a run cannot be read. */
  unreadable = 0;
  /** Why no limit can be changed now. */
  refusal: Error | undefined;
  /** How long a mount takes. */
  mountMs = 0;
  #nextPid = 100;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  identity(): ProcessIdentity {
    const pid = this.#nextPid++;
    return { bootId: this.clock.bootId, pid, startTime: pid * 10 };
  }

  spawn(run: FakeRun, containerId: string): void {
    const name = run.file.row.spec.process.args[0] ?? '';
    const process = new FakeProcess(this.clock, this.identity(), this.programs.get(name) ?? {});
    const monitor = new FakeMonitor(this.identity());
    const streams = streamsOf(run, process);
    run.process = process;
    run.streams = streams;
    run.monitor = monitor;
    void monitor.ended.then(() => streams.end());
    run.isKnownToRuntime = true;
    const first = run.pidOf === undefined ? undefined : this.find(run.pidOf);
    void first?.ended.then(() => process.signal(9)); // a PID namespace ends with its first process
    this.history.set(containerId, [...(this.history.get(containerId) ?? []), process]);
    void process.ended.then(({ code }) => {
      this.clock.after(this.monitorDelayMs, () => {
        if (!monitor.isAlive || monitor.isStopped) return;
        run.exitFile = { code, at: this.clock.wall() };
        monitor.end();
      });
    });
  }

  find(identity: ProcessIdentity): FakeProcess | undefined {
    for (const { process } of this.runs.values()) if (process?.identity.pid === identity.pid) return process;
    return undefined;
  }

  /** What is left on the host; a clean host gives nothing. */
  census(): string[] {
    const alive = [...this.history.values()].flat().filter((process) => process.isAlive);
    return [
      ...alive.map(({ identity }) => `process ${identity.pid}`),
      ...[...this.runs.keys()].map((id) => `run ${id}`),
      ...[...this.mounts].map((mount) => `mount ${mount}`),
      ...[...this.pins].map((pin) => `pin ${pin}`),
      ...[...this.attachments.keys()].map((id) => `attachment ${id}`),
      ...[...this.snapshots].map((id) => `snapshot ${id}`),
    ];
  }
}

function streamsOf({ file }: FakeRun, process: FakeProcess): FakeStreams {
  const { prints, echoes = false } = process.program;
  const { isStdinOnce, hasTerminal } = file.row.spec.process;
  const streams: FakeStreams = new FakeStreams(isStdinOnce && !hasTerminal, (text) => {
    if (!echoes) return;
    if (text === undefined) process.leave(0);
    else streams.print(text);
  });
  process.onReleased = () => {
    if (prints !== undefined) streams.print(prints);
  };
  return streams;
}
