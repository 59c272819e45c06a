import { Worker } from 'node:worker_threads';
import { close, eventfd, write } from './abi.ts';
import { Pidfd } from './process.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';

export type WatchRequest =
  | { readonly kind: 'add'; readonly fd: number; readonly pid: number }
  | { readonly kind: 'drop'; readonly fd: number }
  | { readonly kind: 'end' };

export type WatchNotice =
  | { readonly kind: 'ended'; readonly fd: number; readonly at: number; readonly waitStatus: number | undefined }
  | { readonly kind: 'dropped'; readonly fd: number };

/** A process has ended. */
export interface ProcessEnd {
  /** Boottime in ms. */
  readonly at: number;
  /** The raw wait status, when it could be read before the process was reaped. */
  readonly waitStatus: number | undefined;
}

/** A process that is being watched. Disposing it ends the watch and closes the pidfd. */
export interface WatchedProcess extends Disposable {
  readonly identity: ProcessIdentity;
  readonly pidfd: Pidfd;
  readonly ended: Promise<ProcessEnd>;
}

interface Entry {
  readonly pidfd: Pidfd;
  readonly resolve: (end: ProcessEnd) => void;
  dropping: boolean;
}

const wake = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** Tells when processes end, whoever their parent is. One thread polls all of them. */
export class ProcessWatch implements AsyncDisposable {
  readonly #bootId: string;
  readonly #wakeFd = eventfd();
  readonly #worker: Worker;
  readonly #entries = new Map<number, Entry>();
  readonly #onEnded: () => void;

  /** @param onEnded called after each end: a process that nobody watches any more may be reaped now */
  constructor(bootId: string, onEnded: () => void = () => undefined) {
    this.#bootId = bootId;
    this.#onEnded = onEnded;
    this.#worker = new Worker(new URL('./process-watch.worker.ts', import.meta.url), {
      workerData: { wakeFd: this.#wakeFd },
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on('message', (notice: WatchNotice) => this.#onNotice(notice));
    this.#worker.unref();
    process.on('exit', this.#endAtExit);
  }

  /** Node waits for its threads at exit, and nothing but an event ends a poll. */
  readonly #endAtExit = (): void => this.#post({ kind: 'end' });

  /** Returns undefined when the process is gone already, so that no end of it will be told. */
  watch(identity: ProcessIdentity): WatchedProcess | undefined {
    const pidfd = Pidfd.open(identity, this.#bootId);
    if (pidfd === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
    this.#entries.set(pidfd.fd, { pidfd, resolve, dropping: false });
    this.#worker.ref(); // a program that waits for an end has something to live for
    this.#post({ kind: 'add', fd: pidfd.fd, pid: identity.pid });
    return { identity, pidfd, ended: promise, [Symbol.dispose]: () => this.#drop(pidfd) };
  }

  isWatching(pid: number): boolean {
    return this.#entries.values().some((entry) => entry.pidfd.identity.pid === pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ kind: 'end' });
    process.off('exit', this.#endAtExit);
    this.#worker.ref();
    await new Promise((resolve) => this.#worker.once('exit', resolve));
    for (const { pidfd } of this.#entries.values()) pidfd[Symbol.dispose]();
    this.#entries.clear();
    close(this.#wakeFd);
  }

  #post(request: WatchRequest): void {
    this.#worker.postMessage(request);
    write(this.#wakeFd, wake);
  }

  /** The thread may be polling the descriptor, so it is closed only when the thread has let go of it. */
  #drop(pidfd: Pidfd): void {
    const entry = this.#entries.get(pidfd.fd);
    if (entry === undefined || entry.pidfd !== pidfd) {
      pidfd[Symbol.dispose]();
      return;
    }
    if (entry.dropping) return;
    entry.dropping = true;
    this.#post({ kind: 'drop', fd: pidfd.fd });
  }

  #onNotice(notice: WatchNotice): void {
    const entry = this.#entries.get(notice.fd);
    if (entry === undefined) return;
    if (notice.kind === 'ended') {
      entry.resolve({ at: notice.at, waitStatus: notice.waitStatus });
      if (entry.dropping) return; // 'dropped' follows
      this.#forget(notice.fd);
      this.#onEnded();
      return;
    }
    this.#forget(notice.fd);
    entry.pidfd[Symbol.dispose]();
    this.#onEnded(); // it may have ended while it was watched
  }

  #forget(fd: number): void {
    this.#entries.delete(fd);
    if (this.#entries.size === 0) this.#worker.unref();
  }
}
