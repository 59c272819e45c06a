import type { EngineParts } from './parts.ts';
import type { Step } from './steps.ts';

/** What is being worked at, for `berth why`. */
export interface Progress {
  readonly step: Step;
  /** Boottime in ms. */
  readonly since: number;
}

/** Runs the steps of one container or sandbox: each is named for `why`, with a failpoint on either side. */
export class StepRunner {
  readonly #parts: Pick<EngineParts, 'clock' | 'failpoints'>;
  readonly #progress = new Set<Progress>();

  constructor(parts: Pick<EngineParts, 'clock' | 'failpoints'>) {
    this.#parts = parts;
  }

  /** The oldest step that has not ended. */
  get progress(): Progress | undefined {
    return this.#progress.values().next().value;
  }

  async run<T>(step: Step, work: () => T | Promise<T>): Promise<T> {
    const progress: Progress = { step, since: this.#parts.clock.now() };
    this.#progress.add(progress);
    try {
      await this.#parts.failpoints.hit(`${step}.before`);
      const result = await work();
      await this.#parts.failpoints.hit(`${step}.after`);
      return result;
    } finally {
      this.#progress.delete(progress);
    }
  }

  /** Like `run`, for work that must not give up its turn of the event loop. */
  runSync<T>(step: Step, work: () => T): T {
    this.#parts.failpoints.hitSync(`${step}.before`);
    const result = work();
    this.#parts.failpoints.hitSync(`${step}.after`);
    return result;
  }
}
