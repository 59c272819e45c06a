import { abortError, throwIfAborted, untilAborted } from './abort.ts';

export interface WorkOptions<P> {
  /** Ends the wait. The work ends with the last one who waits for it. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: P) => void;
}

/** Does the work. It is told to stop by `signal`, and then has to undo what it did. */
type Work<T, P> = (order: { readonly signal: AbortSignal; readonly tell: (progress: P) => void }) => Promise<T>;

interface Running<T, P> {
  readonly over: AbortController;
  readonly done: Promise<T>;
  /** The newest of each kind, for those who come later. */
  readonly told: Map<string, P>;
  readonly waiting: Set<WorkOptions<P>>;
}

export interface Joined<T> {
  /** Nobody else was at it. */
  readonly isFirst: boolean;
  readonly result: Promise<T>;
}

/** Work that several may want at the same time, and that is done once for all of them. */
export class SharedWork<T, P> {
  readonly #running = new Map<string, Running<T, P>>();
  readonly #kindOf: (progress: P) => string;

  /** @param kindOf progress of the same kind replaces what was told before */
  constructor(kindOf: (progress: P) => string) {
    this.#kindOf = kindOf;
  }

  /**
   * Waits for the work, which begins now unless somebody has begun it under this key. Who gives up last waits until it is
   * undone.
   * @throws what the work throws; BerthError Cancelled
   */
  join(key: string, work: Work<T, P>, options: WorkOptions<P>): Joined<T> {
    throwIfAborted(options.signal);
    const other = this.#running.get(key);
    const running = other ?? this.#begin(key, work);
    return { isFirst: other === undefined, result: this.#wait(key, running, options) };
  }

  #begin(key: string, work: Work<T, P>): Running<T, P> {
    const over = new AbortController();
    const told = new Map<string, P>();
    const waiting = new Set<WorkOptions<P>>();
    const tell = (progress: P): void => {
      told.set(this.#kindOf(progress), progress);
      for (const { onProgress } of waiting) onProgress(progress);
    };
    const done = Promise.resolve()
      .then(() => work({ signal: over.signal, tell }))
      .finally(() => this.#forget(key, running));
    const running: Running<T, P> = { over, done, told, waiting };
    this.#running.set(key, running);
    return running;
  }

  async #wait(key: string, running: Running<T, P>, options: WorkOptions<P>): Promise<T> {
    const own = { ...options }; // one and the same may wait twice
    running.waiting.add(own);
    for (const progress of running.told.values()) options.onProgress(progress);
    try {
      return await untilAborted(running.done, options.signal);
    } finally {
      running.waiting.delete(own);
      if (running.waiting.size === 0) {
        this.#forget(key, running); // whoever comes now begins anew
        running.over.abort(options.signal.aborted ? abortError(options.signal) : undefined);
        await running.done.catch(() => undefined); // it has told already, or nobody asks any more
      }
    }
  }

  #forget(key: string, running: Running<T, P>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
