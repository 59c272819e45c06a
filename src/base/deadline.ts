import type { Clock } from './clock.ts';

/** A point in boottime that can only move closer. */
export class Deadline {
  readonly #clock: Clock;
  #at: number;
  #moved = new AbortController();

  /** @param at boottime in ms; `Infinity` means never */
  constructor(clock: Clock, at: number) {
    this.#clock = clock;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get isReached(): boolean {
    return this.#clock.now() >= this.#at;
  }

  /** Returns whether it moved: a later time than the present one changes nothing. */
  bringForward(at: number): boolean {
    if (at >= this.#at) return false;
    this.#at = at;
    const moved = this.#moved;
    this.#moved = new AbortController();
    moved.abort();
    return true;
  }

  /** Resolves when the deadline has come, also after it was brought forward, or when `over` aborts. */
  async reached(over: AbortSignal): Promise<void> {
    while (!over.aborted && !this.isReached) {
      const left = Math.min(this.#at - this.#clock.now(), 2 ** 31);
      await this.#clock.sleep(left, AbortSignal.any([over, this.#moved.signal]));
    }
  }
}
