import { rmSync } from 'node:fs';
import type { ExecPlan, TerminalSize } from '../engine/ports.ts';
import { close } from '../linux/abi.ts';
import type { StreamThread } from '../linux/stream-thread.ts';
import { setWindowSize } from '../linux/terminal.ts';
import { accept, listenInFolder, receiveDescriptor } from '../linux/unix-sockets.ts';
import type { ExecStreams } from './exec-pipes.ts';
import { TerminalStream } from './terminal-stream.ts';

/**
 * The terminal of one command. The runtime makes it inside the container and sends its master to a socket of ours.
 * @see crun src/libcrun/container.c, libcrun_container_exec_with_options; OCI runtimes' `--console-socket`
 */
export class ExecTerminal implements Disposable {
  /** The socket's name in the run folder, from where the runtime has to be started: paths may be too long for it. */
  readonly socketName: string;
  readonly #socketPath: string;
  readonly #stream: TerminalStream;
  readonly #hasStdin: boolean;
  #listener: number | undefined;
  #connection: number | undefined;

  constructor(thread: StreamThread, runFolder: string, { id, hasStdin }: Pick<ExecPlan, 'id' | 'hasStdin'>) {
    this.socketName = `exec-${id.slice(0, 12)}.tty`;
    this.#socketPath = `${runFolder}/${this.socketName}`;
    this.#hasStdin = hasStdin;
    this.#listener = listenInFolder(runFolder, this.socketName);
    this.#stream = new TerminalStream(thread);
  }

  /** The command's streams. What the runtime itself has to say comes on its own. */
  streamsBeside(runtime: ExecStreams): ExecStreams {
    runtime.stdout.resume();
    const { stderr } = runtime;
    return { stdin: this.#hasStdin ? this.#stream : undefined, stdout: this.#stream, stderr, outputLinks: [] };
  }

  /** The master has come. */
  get isBound(): boolean {
    return this.#stream.master !== undefined;
  }

  /** Takes the master if it has come. @throws Error when something else came */
  receive(): void {
    if (this.#listener === undefined) return;
    this.#connection ??= accept(this.#listener);
    const master = this.#connection === undefined ? undefined : receiveDescriptor(this.#connection);
    if (master === undefined) return;
    this.#stopListening();
    if (this.#stream.destroyed) close(master);
    else this.#stream.bind(master);
  }

  resize({ width, height }: TerminalSize): void {
    if (this.#stream.master !== undefined) setWindowSize(this.#stream.master, width, height);
  }

  /** Hangs up: the kernel tells the command, and all that it runs in the foreground, with SIGHUP. */
  [Symbol.dispose](): void {
    this.#stopListening();
    this.#stream.destroy();
  }

  #stopListening(): void {
    for (const fd of [this.#connection, this.#listener]) if (fd !== undefined) close(fd);
    this.#connection = undefined;
    this.#listener = undefined;
    rmSync(this.#socketPath, { force: true });
  }
}
