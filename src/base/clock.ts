import { setTimeout as sleepFor } from 'node:timers/promises';

/**
 * Time as the engine knows it. Deadlines are CLOCK_BOOTTIME, which no clock change moves and which goes on while the
 * machine is suspended; wall time is for people. A boottime means something only together with its boot id.
 */
export interface Clock {
  /** CLOCK_BOOTTIME in ms. */
  now(): number;
  /** Unix time in ms. */
  wall(): number;
  readonly bootId: string;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers stand still while the machine is suspended, so a long sleep is cut into slices of this length. */
const LONGEST_SLICE_MS = 10_000;

export class SystemClock implements Clock {
  readonly bootId: string;
  readonly #readBoottime: () => number;

  constructor(bootId: string, readBoottime: () => number) {
    this.bootId = bootId;
    this.#readBoottime = readBoottime;
  }

  now(): number {
    return this.#readBoottime();
  }

  wall(): number {
    return Date.now();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const end = this.now() + ms;
    for (let left = ms; left > 0 && signal?.aborted !== true; left = end - this.now()) {
      const slice = Math.min(left, LONGEST_SLICE_MS);
      try {
        await sleepFor(slice, undefined, signal === undefined ? { ref: true } : { signal });
      } catch {
        return; // the only failure of a timer is the abort, and an abort just ends the sleep
      }
    }
  }
}
