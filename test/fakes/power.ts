import type { Clock } from '../../src/base/clock.ts';
import type { Failpoints } from '../../src/base/failpoints.ts';

/** What a dead daemon's code runs into. Nothing of it may have an effect any more. */
class PowerLost extends Error {
  constructor() {
    super('the daemon is dead');
  }
}

/** The life of one daemon in a test. When it is cut, its calls do nothing, and what it waits for never comes. */
export class Power {
  #isOn = true;
  readonly #onCut: (() => void)[] = [];

  get isOn(): boolean {
    return this.#isOn;
  }

  cut(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    for (const each of this.#onCut) each();
  }

  /** What the kernel does when a process dies: its pipes end. */
  onCut(act: () => void): void {
    this.#onCut.push(act);
  }

  /** For calls that are made at once. */
  need(): void {
    if (!this.#isOn) throw new PowerLost();
  }

  /** For calls that take time: the answer does not reach the dead. */
  async live<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isOn) return new Promise(() => undefined);
    try {
      const value = await work();
      return this.#isOn ? value : await new Promise<never>(() => undefined);
    } catch (error) {
      if (this.#isOn) throw error;
      return new Promise(() => undefined);
    }
  }

  clock(clock: Clock): Clock {
    return {
      bootId: clock.bootId,
      now: () => clock.now(),
      wall: () => clock.wall(),
      sleep: (ms, signal) => this.live(() => clock.sleep(ms, signal)),
    };
  }

  /** Cuts the power at a failpoint, the first time that it is reached. */
  failpoints(point: string | undefined): Failpoints {
    return {
      hit: async (reached) => {
        if (reached === point) this.cut();
        if (!this.#isOn) await new Promise(() => undefined);
      },
      hitSync: (reached) => {
        if (reached === point) this.cut();
        this.need();
      },
    };
  }
}
