import { Worker } from 'node:worker_threads';
import { BerthError } from '../base/errors.ts';

/** Where each kind is pinned: a file, or for `shm` a folder, that is made in a folder that exists. */
export interface PinPaths {
  readonly net?: string;
  readonly ipc?: string;
  readonly uts?: string;
  /** Only of a process: a thread cannot make one. */
  readonly user?: string;
  /** A tmpfs. */
  readonly shm?: string;
}

/** A parameter of the kernel that is set inside the new namespaces. */
export interface Sysctl {
  /** With dots, for messages. */
  readonly name: string;
  /** Below /proc/sys. */
  readonly file: string;
  readonly value: string;
}

export interface PinOrder {
  readonly paths: PinPaths;
  readonly hostname?: string;
  readonly sysctls?: readonly Sysctl[];
  readonly shmSizeBytes?: number;
  /** Root of the user namespace that they belong to, by the host's numbers; left out: the host's root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A process that has been made in the namespaces already; left out: they are made. */
  readonly of?: number;
  /** A folder that is made a shared mount point first, so that what is pinned in it shows in other mount namespaces. */
  readonly sharedFolder?: string;
}

export type ThreadCall =
  | ({ readonly op: 'pin' } & PinOrder)
  | { readonly op: 'unpin'; readonly path: string }
  | {
      readonly op: 'mount';
      readonly source: string;
      readonly target: string;
      readonly type: string | null;
      readonly flags: number;
      readonly data: string | null;
      /** The working directory for relative names in `data`. */
      readonly folder?: string;
      /** Has the folder seen as the users of a namespace see it, at a place that is there only meanwhile. */
      readonly idmap?: { readonly userNamespace: string; readonly place: string };
    }
  | { readonly op: 'unmount'; readonly target: string }
  | { readonly op: 'is-in-chroot' }
  /** Reads what each network namespace says of its devices; undefined for one that is gone. */
  | { readonly op: 'read-network'; readonly pins: readonly string[] };

/** Only a question has an answer that means something. */
export type AnswerTo<Call extends ThreadCall> = Call extends { readonly op: 'read-network' }
  ? readonly (string | undefined)[]
  : boolean;

export interface ThreadRequest {
  readonly id: number;
  readonly call: ThreadCall;
}

export interface ThreadAnswer {
  readonly id: number;
  readonly value?: AnswerTo<ThreadCall>;
  readonly error?: {
    readonly message: string;
    readonly code: string | undefined;
    readonly sysctl: string | undefined;
  };
}

interface Pending {
  readonly resolve: (value: AnswerTo<ThreadCall> | undefined) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const CALL_DEADLINE_MS = 10_000;

/** A failure of a call in the thread, with the system's error name. */
export class ThreadError extends Error {
  readonly code: string | undefined;
  /** The name of the one that could not be set. */
  readonly sysctl: string | undefined;

  constructor({ message, code, sysctl }: NonNullable<ThreadAnswer['error']>) {
    super(message);
    this.code = code;
    this.sysctl = sysctl;
  }
}

/**
 * Makes namespaces and mounts in a thread of its own: 0.6 ms instead of a process's 6. The thread starts with the first
 * call; one that does not answer is given up and replaced, so that it blocks nobody after it. So is one that could not
 * get back into the host's namespaces.
 */
export class NamespaceThread implements AsyncDisposable {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #pending = new Map<number, Pending>();

  /**
   * Performs the call.
   * @throws ThreadError with the system's error name in `code`; BerthError DeadlineExceeded after 10 s
   */
  call<Call extends ThreadCall>(call: Call): Promise<AnswerTo<Call>> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<AnswerTo<Call>>();
    const timer = setTimeout(() => this.#giveUp(worker, call), CALL_DEADLINE_MS);
    this.#pending.set(id, { resolve: (value) => resolve(value as AnswerTo<Call>), reject, timer });
    worker.ref();
    worker.postMessage({ id, call } satisfies ThreadRequest);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./namespaces.worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    worker.unref();
    worker.on('message', (answer: ThreadAnswer) => this.#onAnswer(worker, answer));
    worker.on('error', (error: Error) => this.#failAll(worker, error));
    return worker;
  }

  #onAnswer(worker: Worker, { id, value, error }: ThreadAnswer): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (this.#pending.size === 0) worker.unref();
    if (error === undefined) pending.resolve(value);
    else pending.reject(new ThreadError(error));
  }

  #giveUp(worker: Worker, call: ThreadCall): void {
    const what = call.op === 'mount' || call.op === 'unmount' ? `${call.op} "${call.target}"` : call.op;
    this.#failAll(
      worker,
      new BerthError(
        'DeadlineExceeded',
        `Cannot finish ${what}: the kernel did not answer within ${CALL_DEADLINE_MS} ms`,
      ),
    );
  }

  #failAll(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = undefined;
    worker.unref();
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(error);
    }
    this.#pending.clear();
  }
}
