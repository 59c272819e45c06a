import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../src/base/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * Time that stands still until a test moves it. Timers fire in the order of their times, and all that follows from one
 * has happened before the next one fires.
 */
export class ManualClock implements Clock {
  readonly bootId = 'boot-1';
  #now = 1_000_000;
  #order = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_800_000_000_000 + this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true || ms <= 0) return Promise.resolve();
    if (ms === Infinity) ms = Number.MAX_SAFE_INTEGER;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }

  /** Calls `fire` after `ms`; returns how to cancel that. */
  after(ms: number, fire: () => void): () => void {
    const timer: Timer = { at: this.#now + ms, order: this.#order++, fire };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Lets everything happen that is due within `ms`. */
  async advance(ms: number): Promise<void> {
    await this.runUntil(() => false, ms);
  }

  /** Moves time from timer to timer until `isDone`, for `ms` at the most. Returns whether it was done. */
  async runUntil(isDone: () => boolean, ms: number): Promise<boolean> {
    const end = this.#now + ms;
    await settle();
    while (!isDone()) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > end) {
        this.#now = end;
        return isDone();
      }
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.fire();
      await settle();
    }
    return true;
  }

  /** Runs until the promise settles, and gives what it gives. */
  async complete<T>(promise: Promise<T>, ms = 3_600_000): Promise<T> {
    let isSettled = false;
    const mark = (): void => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.runUntil(() => isSettled, ms);
    if (!isSettled) throw new Error(`nothing came of it within ${ms} ms`);
    return promise;
  }
}

/** Everything that needs no time: promises that wait for promises, however many. */
async function settle(): Promise<void> {
  await nextTurn();
}
