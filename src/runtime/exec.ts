import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, isMissing, messageOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import type { ExecPlan, ExecProcess, OutputChunk, TerminalSize } from '../engine/ports.ts';
import type { Cgroup } from '../linux/cgroup.ts';
import type { Children } from '../linux/children.ts';
import { Pidfd, identify } from '../linux/process.ts';
import type { StreamThread } from '../linux/stream-thread.ts';
import { OutputQueue } from './exec-output.ts';
import { withPipes } from './exec-pipes.ts';
import type { ExecStreams } from './exec-pipes.ts';
import { ExecTerminal } from './exec-terminal.ts';
import type { OciCli } from './oci-cli.ts';
import { codeOfFailure } from './failure-words.ts';
import { tidyMessage } from './oci-cli.ts';
import type { OciProcess } from './oci-spec.ts';
import type { StreamOwner } from './stream-owner.ts';

/** After the command's end its output is read for this long, if a child of it keeps the pipe open. */
const DRAIN_MS = 2_000;
const START_DEADLINE_MS = 30_000;
/** What a command has for its farewell when its terminal has hung up. */
const HANG_UP_GRACE_MS = 1_000;

export interface ExecParts {
  readonly children: Children;
  readonly cli: OciCli;
  readonly streams: StreamThread;
  readonly bootId: string;
}

export interface ExecOrder {
  readonly runtimeId: string;
  readonly runFolder: string;
  /** The container's. */
  readonly cgroup: Cgroup;
  readonly plan: ExecPlan;
  readonly process: OciProcess;
  readonly streamOwner: StreamOwner | undefined;
}

/** An exec with what `why` wants to know of it. */
export interface StartedExec extends ExecProcess {
  readonly id: string;
  /** The command has ended, and its output is still being read. */
  readonly isDraining: boolean;
  /** Its output, as /proc/PID/fd shows it: `pipe:[4711]`. A terminal is not held: it hangs up with the command. */
  readonly outputLinks: readonly string[];
}

/**
 * Runs a command in a container with the runtime's exec, whose standard streams are ours. Resolves when the command
 * runs: the runtime has written its pid then.
 * @throws BerthError InvalidArgument when it cannot be run; DeadlineExceeded; Cancelled
 */
export async function startExec(parts: ExecParts, order: ExecOrder, signal: AbortSignal): Promise<StartedExec> {
  const { plan, runFolder } = order;
  const processFile = `${runFolder}/exec-${plan.id}.json`;
  const pidFile = `${runFolder}/exec-${plan.id}.pid`;
  const own = execCgroup(order.cgroup, plan.id);
  try {
    await writeFile(processFile, JSON.stringify(order.process), { mode: 0o600 });
    makeCgroup(own); // crun leaves out a hierarchy in which it does not exist, and the limits with it
    const files = ['--process', processFile, '--pid-file', pidFile];
    const exec = spawnExec(parts, order, own, ['--cgroup', execCgroupName(plan.id), ...files]);
    try {
      exec.identified(await exec.untilRunning(pidFile, signal));
      return exec;
    } catch (error) {
      await exec.kill();
      throw error;
    }
  } finally {
    await Promise.all([processFile, pidFile].map((file) => rm(file, { force: true })));
  }
}

function spawnExec(
  parts: ExecParts,
  { plan, runtimeId, runFolder, streamOwner: owner }: ExecOrder,
  own: Cgroup,
  flags: readonly string[],
): DirectExec {
  let terminal: ExecTerminal | undefined;
  try {
    terminal = plan.hasTerminal ? new ExecTerminal(parts.streams, runFolder, plan) : undefined;
    const console = terminal === undefined ? [] : ['--console-socket', terminal.socketName];
    const args = parts.cli.arguments('exec', ...flags, ...console, runtimeId);
    const hasStdin = plan.hasStdin && terminal === undefined;
    const { started: child, streams } = withPipes({ hasStdin, owner }, (stdio) =>
      parts.children.spawn(parts.cli.path, args, {
        stdio: [...stdio],
        env: parts.cli.env,
        detached: true,
        ...(terminal === undefined ? {} : { cwd: runFolder }),
      }),
    );
    return new DirectExec(parts, { id: plan.id, child, streams, terminal, own });
  } catch (error) {
    terminal?.[Symbol.dispose]();
    own.remove();
    throw error;
  }
}

interface SpawnedExec {
  readonly id: string;
  readonly child: ChildProcess;
  readonly streams: ExecStreams;
  readonly terminal: ExecTerminal | undefined;
  readonly own: Cgroup;
}

const LATECOMERS_AFTER_MS = [10, 100, 500, 2_000];

function makeCgroup(own: Cgroup): void {
  try {
    own.make();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new BerthError('WrongState', 'Cannot run the command: its container has ended', { cause: error });
  }
}

function execCgroupName(id: string): string {
  return `exec-${id.slice(0, 12)}`;
}

function execCgroup(container: Cgroup, id: string): Cgroup {
  return container.child(execCgroupName(id));
}

/** Ends an exec that an earlier daemon started, and all that it started. */
export function killExec(parts: ExecParts, container: Cgroup, id: string, identity: ProcessIdentity): void {
  execCgroup(container, id).kill(parts.bootId);
  using pidfd = Pidfd.open(identity, parts.bootId);
  pidfd?.signal(9);
}

class DirectExec implements StartedExec {
  readonly id: string;
  readonly output: AsyncIterable<OutputChunk>;
  readonly ended: Promise<{ readonly code: number; readonly isOutputCut: boolean }>;
  readonly outputLinks: readonly string[];
  isDraining = false;
  #identity: ProcessIdentity | undefined;
  readonly #parts: ExecParts;
  readonly #child: ChildProcess;
  readonly #stdin: ExecStreams['stdin'];
  readonly #terminal: ExecTerminal | undefined;
  readonly #own: Cgroup;
  readonly #exit: Promise<number>;
  readonly #queue: OutputQueue;

  constructor(parts: ExecParts, { id, child, terminal, own, ...spawned }: SpawnedExec) {
    const streams = terminal?.streamsBeside(spawned.streams) ?? spawned.streams;
    this.id = id;
    this.#parts = parts;
    this.#child = child;
    this.#own = own;
    this.#stdin = streams.stdin;
    this.#terminal = terminal;
    this.#queue = new OutputQueue(streams);
    this.outputLinks = streams.outputLinks;
    this.output = this.#queue;
    streams.stdin?.on('error', () => undefined); // the command does not read its input
    this.#exit = new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 255 : 137)));
      child.once('error', (error) => {
        const message = `Cannot start "${parts.cli.path}": ${messageOf(error)}`;
        reject(new BerthError('Unavailable', message, { cause: error }));
      });
    });
    this.ended = this.#untilEnded();
    this.ended.catch(() => undefined);
  }

  get identity(): ProcessIdentity {
    return this.#identity ?? { bootId: this.#parts.bootId, pid: 0, startTime: 0 };
  }

  async untilRunning(pidFile: string, signal: AbortSignal): Promise<number> {
    let hasExited = false;
    const exited = this.#exit.finally(() => {
      hasExited = true;
    });
    exited.catch(() => undefined);
    const end = performance.now() + START_DEADLINE_MS;
    for (;;) {
      const pid = readPid(pidFile);
      this.#terminal?.receive(); // it comes before the pid
      if (pid !== undefined) return pid;
      if (hasExited) throw await this.#failure(await exited);
      if (signal.aborted)
        throw new BerthError('Cancelled', 'Cannot run the command: its container ended or the caller gave up');
      if (performance.now() > end) {
        throw new BerthError(
          'DeadlineExceeded',
          `Cannot run the command: the runtime did not answer within ${START_DEADLINE_MS} ms`,
        );
      }
      await Promise.race([sleepFor(1), exited.catch(() => undefined)]);
    }
  }

  /** It may have ended already: then there is nothing left to signal, and its code comes all the same. */
  identified(pid: number): void {
    const identity = identify(this.#parts.bootId, pid);
    // A number that is not in its cgroup any more may be somebody else's by now.
    if (this.#own.pids().includes(pid)) this.#identity = identity;
  }

  write(data: Uint8Array): Promise<void> {
    const stdin = this.#stdin;
    if (stdin === undefined || stdin.destroyed) return Promise.resolve();
    return new Promise((resolve) => void stdin.write(data, () => resolve()));
  }

  closeInput(): void {
    this.#stdin?.end();
  }

  resize(size: TerminalSize): void {
    this.#terminal?.resize(size);
  }

  signal(number: number): boolean {
    const { bootId } = this.#parts;
    using pidfd = this.#identity === undefined ? undefined : Pidfd.open(this.#identity, bootId);
    return pidfd?.signal(number) ?? false;
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL'); // the runtime, if it is still on its way into the container
    this.#own.kill(this.#parts.bootId);
    void this.#killLatecomers();
    return Promise.resolve();
  }

  async abandon(): Promise<void> {
    if (this.#terminal !== undefined) {
      this.#terminal[Symbol.dispose]();
      const over = new AbortController();
      const late = sleepFor(HANG_UP_GRACE_MS, undefined, { signal: over.signal }).catch(() => undefined);
      await Promise.race([this.#exit.catch(() => undefined), late]);
      over.abort();
    }
    await this.kill();
  }

  /** What the runtime had put on its way into the cgroup may arrive there when it is dead itself. */
  async #killLatecomers(): Promise<void> {
    for (const wait of LATECOMERS_AFTER_MS) {
      await sleepFor(wait, undefined, { ref: false });
      try {
        this.#own.kill(this.#parts.bootId);
      } catch {
        return; // it is gone with the container's
      }
    }
  }

  async #failure(code: number): Promise<BerthError> {
    if (this.#terminal?.isBound === false) this.#terminal[Symbol.dispose]();
    const words = tidyMessage(await this.#queue.lastWords(DRAIN_MS));
    const failure = codeOfFailure(words);
    return new BerthError(
      failure === 128 && !words.includes('No such file') ? 'Internal' : 'InvalidArgument',
      `Cannot run the command (code ${failure === 128 ? code : failure}): ${words}`,
      failure === 128 ? {} : { exitCode: failure },
    );
  }

  async #untilEnded(): Promise<{ readonly code: number; readonly isOutputCut: boolean }> {
    const code = await this.#exit;
    this.isDraining = true;
    const isOutputCut = !(await this.#queue.drained(DRAIN_MS));
    this.isDraining = false;
    this.#stdin?.destroy();
    this.#terminal?.[Symbol.dispose]();
    try {
      this.#own.remove();
    } catch {
      // a child of it lives on in the container, and so does its cgroup, which goes with the container's
    }
    return { code, isOutputCut };
  }
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8'));
  return pid > 0 ? pid : undefined; // it is being written
}
