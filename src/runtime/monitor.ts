import type { ProcessIdentity } from '../base/process-identity.ts';
import type { RunProcesses } from '../engine/container/state.ts';
import type { ExitFile, RunRef, StartFailure, TerminalSize } from '../engine/ports.ts';

/** What a monitor is told of a run. */
export interface MonitorOrder {
  readonly run: RunRef;
  /** The bundle and the monitor's own files; short, as sockets are made in it. */
  readonly folder: string;
  readonly name: string;
  readonly logPath: string;
  readonly hasTerminal: boolean;
  readonly hasStdin: boolean;
  /** Its input ends with the first client that was attached to it. */
  readonly isStdinOnce: boolean;
}

/** Supervises one run: owns its standard streams and its log, writes how it ended, and outlives the daemon. */
export interface Monitor {
  /**
   * Starts a monitor, which makes the runtime object under itself.
   * @throws BerthError Unavailable when it cannot be started; what the signal aborts with: nothing of it is left running then
   */
  create(order: MonitorOrder, signal: AbortSignal): Promise<RunProcesses | StartFailure>;
  /** Undefined until the run has ended and its log is complete. */
  readExit(run: RunRef): Promise<ExitFile | undefined>;
  /** The monitor of a run by the process list, for a daemon that lost what it knew. */
  findProcess(run: RunRef): ProcessIdentity | undefined;
  /**
   * Goes on in a new log file. Resolves when it exists; at once when the monitor writes to the one there.
   * @throws BerthError NotFound when the log's folder is gone: the monitor is left alone then, as it would die of it;
   *   WrongState when something else stands there
   */
  reopenLog(run: RunRef, logPath: string): Promise<void>;
  /**
   * Connects to the run's streams: packets with what is printed from now on. Whoever stands still holds the run up for
   * a second at most. The end of such a connection ends an input that is only there for its first client.
   * @returns the socket, which is the caller's
   * @throws BerthError Unavailable when the monitor does not answer, or is gone
   */
  connect(run: RunRef, monitor: ProcessIdentity): Promise<number>;
  /**
   * Its end of the run's input, to be written to without waiting.
   * @returns a descriptor, which is the caller's; undefined when the input has ended; `refused` where the host does not
   *   let it be had: then input is sent through a connection
   */
  borrowInput(monitor: ProcessIdentity, hasTerminal: boolean): number | 'refused' | undefined;
  windowOf(run: RunRef): TerminalWindow;
}

/** What a run's terminal is looked at through. */
export interface TerminalWindow {
  /**
   * Resolves when it has this size, or a newer one.
   * @throws BerthError WrongState when the monitor is gone; DeadlineExceeded when it does not answer
   */
  resize(size: TerminalSize): Promise<void>;
}
