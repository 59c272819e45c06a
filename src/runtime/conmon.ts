import { constants, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { open, readFile, realpath, rm, stat } from 'node:fs/promises';
import type { ChildProcess } from 'node:child_process';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { abortError, whenAborted } from '../base/abort.ts';
import { BerthError, errnoOf, isMissing, messageOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import type { RunProcesses } from '../engine/container/state.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { ExitFile, RunRef, StartFailure } from '../engine/ports.ts';
import type { Children } from '../linux/children.ts';
import { identify, isRunning } from '../linux/process.ts';
import { borrowInput, connectToConmon } from './conmon-descriptors.ts';
import { WindowFile } from './conmon-window.ts';
import { isFolder, isThere, makeLog, openToReaders } from './log-file.ts';
import type { Monitor, MonitorOrder, TerminalWindow } from './monitor.ts';
import type { OciCli } from './oci-cli.ts';
import { codeOfFailure } from './failure-words.ts';
import { tidyMessage } from './oci-cli.ts';
import type { RunFolders } from './run-folder.ts';
import { endSession } from './session.ts';

/** What conmon writes to its sync pipe: one line of JSON. @see conmon src/parent_pipe_fd.c */
interface SyncMessage {
  readonly pid: number;
  readonly message?: string;
}

const SYNC_FD = 3;
const REOPEN_WITHIN_MS = 2_000;
/** @see conmon src/ctrl.c, process_terminal_ctrl_line: 2 is for the log, which has no use for the numbers */
const REOPEN_LOG = '2 0 0\n';

/** conmon as the monitor, one process per run. */
export class Conmon implements Monitor {
  readonly #path: string;
  readonly #children: Children;
  readonly #cli: OciCli;
  readonly #folders: RunFolders;
  readonly #bootId: string;

  constructor(path: string, parts: { children: Children; cli: OciCli; folders: RunFolders; bootId: string }) {
    this.#path = path;
    this.#children = parts.children;
    this.#cli = parts.cli;
    this.#folders = parts.folders;
    this.#bootId = parts.bootId;
  }

  async create(order: MonitorOrder, signal: AbortSignal): Promise<RunProcesses | StartFailure> {
    await makeLog(order.logPath); // conmon would follow a link, and let nobody but root read it
    const child = this.#spawn(order);
    const leader = child.pid === undefined ? undefined : identify(this.#bootId, child.pid);
    const sync = child.stdio[SYNC_FD] as Readable;
    try {
      const said = await firstLine(child, sync, signal);
      if (said.pid <= 0) return failureOf(said.message ?? '');
      return await this.#processesOf(order.run, child, said.pid);
    } catch (error) {
      // The runtime's create would end with it, but a moment later, in which it may make one thing more.
      if (leader !== undefined) await endSession(leader);
      throw error;
    } finally {
      sync.destroy();
      child.stderr?.destroy();
      child.unref();
    }
  }

  async readExit(run: RunRef): Promise<ExitFile | undefined> {
    const file = this.#folders.exitFileOf(run);
    try {
      const text = await readFile(file, 'utf8');
      // The time of the change and not of the writing: it is renamed into place. conmon writes -1 when it cannot tell.
      const { ctimeMs } = await stat(file);
      const code = Number(text);
      return { code: code < 0 ? 255 : code, at: Math.round(ctimeMs) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  findProcess(run: RunRef): ProcessIdentity | undefined {
    const folder = this.#folders.pathOf(run);
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry);
      if (!Number.isNaN(pid) && isMonitorOf(pid, this.#path, folder)) return identify(this.#bootId, pid);
    }
    return undefined;
  }

  async reopenLog(run: RunRef, logPath: string): Promise<void> {
    if (!(await isFolder(dirname(logPath)))) {
      throw new BerthError('NotFound', `Cannot reopen log "${logPath}": its folder is gone`);
    }
    if (await isThere(logPath)) {
      if (await this.#isWritingTo(run, logPath)) return;
      throw new BerthError('WrongState', `Cannot reopen log "${logPath}": move the old one away first, or it is lost`);
    }
    await rm(`${logPath}.tmp`, { force: true }); // conmon makes it under this name, and would follow a link
    await this.#control(run, REOPEN_LOG);
    const end = performance.now() + REOPEN_WITHIN_MS;
    while (!(await isThere(logPath))) {
      if (!(await this.#isAlive(run))) {
        throw new BerthError(
          'WrongState',
          `Cannot reopen log "${logPath}": its container has ended, and the log with it`,
        );
      }
      if (performance.now() > end) {
        throw new BerthError('DeadlineExceeded', `Cannot reopen log "${logPath}": the monitor did not make it`);
      }
      await sleepFor(1);
    }
    await openToReaders(logPath);
  }

  connect(run: RunRef, monitor: ProcessIdentity): Promise<number> {
    return connectToConmon(this.#folders.pathOf(run), monitor, this.#bootId);
  }

  borrowInput(monitor: ProcessIdentity, hasTerminal: boolean): number | 'refused' | undefined {
    return borrowInput(monitor, this.#bootId, hasTerminal);
  }

  windowOf(run: RunRef): TerminalWindow {
    return new WindowFile(this.#folders.pathOf(run));
  }

  async #isAlive(run: RunRef): Promise<boolean> {
    const monitor = (await this.#folders.readProcesses(run))?.monitor;
    return monitor !== undefined && isRunning(monitor, this.#bootId);
  }

  /** By the links of its descriptors: a file that was renamed or removed goes by another name there. */
  async #isWritingTo(run: RunRef, logPath: string): Promise<boolean> {
    const monitor = (await this.#folders.readProcesses(run))?.monitor;
    if (monitor === undefined || !isRunning(monitor, this.#bootId)) return false;
    const path = `${await realpath(dirname(logPath))}/${basename(logPath)}`;
    const folder = `/proc/${monitor.pid}/fd`;
    try {
      return readdirSync(folder).some((fd) => readlinkSync(`${folder}/${fd}`) === path);
    } catch (error) {
      if (isMissing(error)) return false; // it closes what it has: it is about to end, or opens another one
      throw error;
    }
  }

  /** @throws BerthError WrongState when the monitor is gone */
  async #control(run: RunRef, message: string): Promise<void> {
    try {
      await writeFifo(`${this.#folders.pathOf(run)}/ctl`, message);
    } catch (error) {
      // Nobody reads it, or not any more.
      if (!isMissing(error) && errnoOf(error) !== 'ENXIO' && errnoOf(error) !== 'EPIPE') throw error;
      throw new BerthError('WrongState', 'Cannot tell the monitor: it has ended', { cause: error });
    }
  }

  /**
   * `--sync`: one process instead of two, and its pid is known at once. Its working directory is the run's folder,
   * because it leaves a file named "oom" in it. An exit file and a complete log do not wait for the disk.
   */
  #spawn(order: MonitorOrder): ChildProcess {
    const { run, folder } = order;
    const id = runtimeIdOf(run.containerId, run.number);
    const child = this.#children.spawn(
      this.#path,
      [
        ...['--sync', '--full-attach', '--no-sync-log'],
        ...['--cid', id, '--cuuid', id, '--name', order.name],
        ...['--runtime', this.#cli.path, ...this.#cli.globalFlags.map((flag) => `--runtime-arg=${flag}`)],
        ...['--bundle', folder, '--container-pidfile', `${folder}/pid`],
        ...['--exit-dir', this.#folders.exits, '--log-path', `k8s-file:${order.logPath}`],
        ...(order.hasTerminal ? ['--terminal'] : []),
        ...(order.hasStdin ? ['--stdin', ...(isLeftOpen(order) ? ['--leave-stdin-open'] : [])] : []),
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
        env: { ...this.#cli.env, _OCI_SYNCPIPE: String(SYNC_FD) },
        cwd: folder,
        detached: true,
      },
    );
    return child;
  }

  async #processesOf(run: RunRef, child: ChildProcess, pid: number): Promise<RunProcesses> {
    const init = identify(this.#bootId, pid);
    const monitor = child.pid === undefined ? undefined : identify(this.#bootId, child.pid);
    if (init === undefined || monitor === undefined) {
      throw new BerthError('Internal', `Cannot find process ${pid}: it ended before its program was let go`);
    }
    const processes = { init, monitor };
    await this.#folders.writeProcesses(run, processes);
    return processes;
  }
}

/** A terminal is there for whoever comes next, whoever leaves: to close it would not even end its input. */
function isLeftOpen({ hasTerminal, isStdinOnce }: MonitorOrder): boolean {
  return hasTerminal || !isStdinOnce;
}

/** Resolves with what it says first. Its end without a word and the abort are errors. */
async function firstLine(child: ChildProcess, sync: Readable, signal: AbortSignal): Promise<SyncMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<SyncMessage>();
  let text = '';
  sync.on('data', (data: Buffer) => {
    text += data.toString('utf8');
    if (!text.includes('\n')) return;
    try {
      resolve(JSON.parse(text) as SyncMessage);
    } catch (error) {
      reject(new BerthError('Internal', `Cannot read what the monitor says: "${text}"`, { cause: error }));
    }
  });
  sync.once('error', reject);
  child.once('error', (error) => {
    const message = `Cannot start monitor "${child.spawnfile}": ${messageOf(error)}`;
    reject(new BerthError('Unavailable', message, { cause: error }));
  });
  let words = '';
  child.stderr?.on('data', (data: Buffer) => (words += data.toString('utf8')));
  child.once('close', () => {
    const said = words.trim() === '' ? 'without a word' : `with "${words.trim()}"`;
    reject(new BerthError('Internal', `Cannot make the container: its monitor ended ${said}`));
  });
  using _ = whenAborted(signal, () => reject(abortError(signal)));
  return await promise;
}

function failureOf(words: string): StartFailure {
  const message = tidyMessage(words);
  return { exitCode: codeOfFailure(message), message };
}

/** Command lines can be made up, so the program itself is asked for too. */
function isMonitorOf(pid: number, program: string, folder: string): boolean {
  try {
    if (!isSameFile(`/proc/${pid}/exe`, program)) return false;
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return args[args.indexOf('--bundle') + 1] === folder && args.includes('--exit-dir');
  } catch {
    return false; // it has ended in the meantime
  }
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [statSync(a), statSync(b)];
  return one.dev === other.dev && one.ino === other.ino;
}

/** Never waits for a reader: the monitor may be gone. */
async function writeFifo(path: string, text: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}
