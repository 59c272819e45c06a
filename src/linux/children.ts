import { whenAborted } from '../base/abort.ts';
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BerthError, messageOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { signalNumber } from '../base/signals.ts';
import { becomeSubreaper, close, pidfdOpen, reapByPidfd } from './abi.ts';
import { identify, readBootId, readStat } from './process.ts';
import { killSession } from './sessions.ts';

export interface SpawnOptions {
  readonly stdio?: StdioOptions;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A session of its own, so that signals to the daemon's group do not reach it. */
  readonly detached?: boolean;
}

export interface RunOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Buffer;
  /** Bytes kept of each stream; the rest is read and dropped. */
  readonly limitBytes?: number;
  /**
   * It gets a session of its own, and whenever it is killed so is everything else in that session. So is what still
   * holds its output 1 s after it has ended by itself.
   */
  readonly ownSession?: boolean;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Everything that a child gets to see of the daemon's environment. */
const CHILD_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
};

const OUTPUT_LIMIT_BYTES = 1 << 20;
/** What a child that got SIGKILL has to be gone within; then it hangs in the kernel and is left behind. */
const KILL_GRACE_MS = 2_000;
/** How long the output of a command that has ended is waited for, when it had a session of its own. */
const OUTPUT_GRACE_MS = 1_000;

/**
 * Starts the daemon's children and reaps those that it adopts as their subreaper. Node reaps only what it has started
 * itself, so an adopted process would stay a zombie for ever.
 */
export class Children {
  /** By process number, which a later child may get as soon as the system has let go of an earlier one. */
  readonly #own = new Map<number, ChildProcess>();
  readonly #isAwaited: (pid: number) => boolean;

  /** @param isAwaited whether somebody else will reap this pid, because they want its wait status */
  constructor(isAwaited: (pid: number) => boolean) {
    this.#isAwaited = isAwaited;
  }

  /** From here on processes whose parent died become ours. */
  adoptOrphans(): Disposable {
    becomeSubreaper();
    const onChild = (): void => this.reapAdopted();
    process.on('SIGCHLD', onChild);
    return { [Symbol.dispose]: () => process.off('SIGCHLD', onChild) };
  }

  /**
   * An explicit environment, cwd `/`: nothing of the daemon's own leaks into what it starts.
   * @throws BerthError ResourceExhausted when there are no descriptors left for its streams
   */
  spawn(file: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(file, args, {
      stdio: options.stdio ?? 'ignore',
      env: { ...CHILD_ENV, ...options.env },
      cwd: options.cwd ?? '/',
      detached: options.detached ?? false,
    });
    child.on('error', () => undefined); // also for whoever does not listen: Node takes an error that nobody hears as fatal
    // Node gives up so early then that there are no streams, whatever its types say.
    if ((child.stdio as unknown) === undefined) {
      throw new BerthError('ResourceExhausted', `Cannot start "${file}": no descriptors are left for its streams`);
    }
    const { pid } = child;
    if (pid !== undefined) {
      this.#own.set(pid, child);
      child.once('exit', () => {
        if (this.#own.get(pid) === child) this.#own.delete(pid);
      });
    }
    return child;
  }

  /**
   * Runs a command to its end. Any exit code is a result.
   * @throws BerthError Unavailable when it cannot be started, DeadlineExceeded after `deadlineMs` (it is killed then),
   *   Cancelled when `signal` aborts (it is killed as well)
   */
  async run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
    const child = this.#spawnToRun(file, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      detached: options.ownSession === true,
    });
    const limit = options.limitBytes ?? OUTPUT_LIMIT_BYTES;
    const stdout = collect(child.stdout, limit);
    const stderr = collect(child.stderr, limit);
    child.stdin?.on('error', () => undefined); // it may end without reading its input
    child.stdin?.end(options.input);
    const code = await codeWithin(child, file, options);
    return { code, stdout: stdout(), stderr: stderr() };
  }

  /** Some failures of a start come as an event, others at once. */
  #spawnToRun(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    try {
      return this.spawn(file, args, options);
    } catch (error) {
      throw error instanceof BerthError ? error : startFailure(file, error);
    }
  }

  /** Reaps every zombie that is our child, was not started by us, and that nobody else is waiting for. */
  reapAdopted(): void {
    for (const pid of childPids()) {
      if (this.#own.has(pid) || this.#isAwaited(pid) || readStat(pid)?.state !== 'Z') continue;
      const pidfd = pidfdOpen(pid); // a zombie child of ours keeps its number until we reap it
      reapByPidfd(pidfd);
      close(pidfd);
    }
  }
}

function childPids(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

function collect(stream: NodeJS.ReadableStream | null, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Right after its start nobody has reaped it, so it can be asked who it is. */
function sessionOf({ pid }: ChildProcess): ProcessIdentity | undefined {
  return pid === undefined ? undefined : identify(readBootId(), pid);
}

/** Waits for the child's end, which is brought about at its deadline or when the caller aborts. */
async function codeWithin(child: ChildProcess, file: string, options: RunOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let killed: BerthError | undefined;
  let patience: NodeJS.Timeout | undefined;
  const session = options.ownSession === true ? sessionOf(child) : undefined;
  const kill = (error: BerthError): void => {
    killed ??= error;
    if (session !== undefined) killSession(session);
    child.kill('SIGKILL');
    patience ??= setTimeout(() => reject(error), KILL_GRACE_MS);
  };
  const late = `Cannot finish "${file}": no answer within ${options.deadlineMs} ms`;
  const timer = setTimeout(() => kill(new BerthError('DeadlineExceeded', late)), options.deadlineMs);
  using _ = whenAborted(options.signal, () =>
    kill(new BerthError('Cancelled', `Cannot finish "${file}": the caller gave up`)),
  );

  child.once('error', (error) => reject(startFailure(file, error)));
  if (session !== undefined) {
    child.once('exit', () => {
      clearTimeout(timer);
      patience ??= setTimeout(() => {
        killSession(session);
        closeOutput(child); // for those who left the session and took it with them
      }, OUTPUT_GRACE_MS);
    });
  }
  // 'close' and not 'exit': by then all of the output has been read
  child.once('close', (code, signal) => {
    if (killed === undefined) resolve(code ?? 128 + signalNumber(signal ?? 'SIGKILL'));
    else reject(killed);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(patience);
    closeOutput(child);
  }
}

function startFailure(file: string, error: unknown): BerthError {
  return new BerthError('Unavailable', `Cannot start "${file}": ${messageOf(error)}`, { cause: error });
}

function closeOutput({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}
