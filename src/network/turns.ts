import { throwIfAborted, untilAborted } from '../base/abort.ts';

/** Keeps the verbs of one sandbox from overlapping: they are done in the order in which they were asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * @throws BerthError Cancelled when `signal` aborts; work that has begun by then goes on to its end, and so do the turns
   *   of those that wait for it
   */
  take<T>(sandboxId: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last.get(sandboxId) ?? Promise.resolve();
    const mine = before.then(() => {
      throwIfAborted(signal);
      return work();
    });
    const settled: Promise<void> = mine.then(
      () => this.#forget(sandboxId, settled),
      () => this.#forget(sandboxId, settled),
    );
    this.#last.set(sandboxId, settled);
    return untilAborted(mine, signal);
  }

  #forget(sandboxId: string, settled: Promise<unknown>): void {
    if (this.#last.get(sandboxId) === settled) this.#last.delete(sandboxId);
  }
}

/** A number of places for work; who finds none free waits in a queue. */
export class Places {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** @throws BerthError Cancelled when `signal` aborts before there is a place */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.push(resolve);
    try {
      await untilAborted(promise, signal);
    } catch (error) {
      const at = this.#queue.indexOf(resolve);
      if (at < 0)
        this.#leave(); // it was given a place in the same moment
      else this.#queue.splice(at, 1);
      throw error;
    }
  }

  /** The place goes to whoever has waited longest. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
