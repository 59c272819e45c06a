import { BerthError } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { AttachOptions, AttachStream, RunRef, TerminalSize } from '../engine/ports.ts';
import { isRunning } from '../linux/process.ts';
import type { StreamThread } from '../linux/stream-thread.ts';
import type { Monitor, TerminalWindow } from './monitor.ts';
import type { RunFolders } from './run-folder.ts';
import { RunStreams } from './run-streams.ts';
import type { RunSource } from './run-streams.ts';

/** What a client may fall behind before it is let go of. */
const ATTACH_CAP_BYTES = 4 << 20;

export interface AttachHubParts {
  readonly streams: StreamThread;
  readonly monitor: Pick<Monitor, 'connect' | 'borrowInput' | 'windowOf'>;
  readonly folders: RunFolders;
  readonly bootId: string;
  readonly capBytes?: number;
}

/** The clients of runs' standard streams, and of their terminals. */
export class AttachHub {
  readonly #parts: AttachHubParts;
  readonly #runs = new Map<string, Promise<RunStreams>>();
  readonly #windows = new Map<string, TerminalWindow>();

  constructor(parts: AttachHubParts) {
    this.#parts = parts;
  }

  /** @throws BerthError Unavailable when the run's monitor does not answer, or is gone */
  async attach(run: RunRef, options: AttachOptions): Promise<AttachStream> {
    const streams = await this.#streamsOf(run);
    return streams.attach(options);
  }

  /** @throws BerthError WrongState when the run's monitor is gone; DeadlineExceeded when it does not answer */
  async resize(run: RunRef, size: TerminalSize): Promise<void> {
    const key = keyOf(run);
    const window = this.#windows.get(key) ?? this.#parts.monitor.windowOf(run);
    this.#windows.set(key, window);
    await window.resize(size);
  }

  /** Nothing of the run is left. */
  forget(run: RunRef): void {
    this.#windows.delete(keyOf(run));
    const streams = this.#runs.get(keyOf(run));
    this.#runs.delete(keyOf(run));
    streams?.then(
      (known) => known[Symbol.dispose](),
      () => undefined, // told to whoever attached
    );
  }

  #streamsOf(run: RunRef): Promise<RunStreams> {
    const key = keyOf(run);
    const known = this.#runs.get(key);
    if (known !== undefined) return known;
    const made = this.#makeStreams(run);
    this.#runs.set(key, made);
    made.catch(() => this.#runs.delete(key));
    return made;
  }

  async #makeStreams(run: RunRef): Promise<RunStreams> {
    const { folders, capBytes = ATTACH_CAP_BYTES } = this.#parts;
    const [file, processes] = await Promise.all([folders.readRunFile(run), folders.readProcesses(run)]);
    if (file === undefined || processes === undefined) {
      throw new BerthError('Unavailable', `Cannot attach to run ${run.number}: it is over, or was not made yet`);
    }
    return new RunStreams(sourceOf(this.#parts, run, file.row.spec.process, processes), capBytes);
  }
}

interface StreamsSpec {
  readonly hasTerminal: boolean;
  readonly hasStdin: boolean;
  readonly isStdinOnce: boolean;
}

/** A terminal is there for whoever comes next, as with Docker: only a pipe ends with its first client. */
function sourceOf(
  { streams, monitor, bootId }: AttachHubParts,
  run: RunRef,
  { hasTerminal, hasStdin, isStdinOnce }: StreamsSpec,
  processes: { readonly init: ProcessIdentity; readonly monitor: ProcessIdentity },
): RunSource {
  return {
    hasInput: hasStdin,
    endsWithFirstClient: isStdinOnce && !hasTerminal,
    connect: async (reader) => {
      const fd = await monitor.connect(run, processes.monitor);
      return streams.open(fd, { framing: 'packets', reader });
    },
    openInput: () => {
      const fd = monitor.borrowInput(processes.monitor, hasTerminal);
      return typeof fd === 'number' ? streams.open(fd, { framing: 'bytes' }) : fd;
    },
    whyEnded: () => {
      if (!isRunning(processes.init, bootId)) return undefined;
      if (!isRunning(processes.monitor, bootId)) {
        return new BerthError('Unavailable', 'Cannot go on with the output: the monitor of the container is lost');
      }
      const message = 'Cannot go on with the output: nobody took it for a while, so that the container did not wait';
      return new BerthError('ResourceExhausted', message);
    },
  };
}

function keyOf({ containerId, number }: RunRef): string {
  return runtimeIdOf(containerId, number);
}
