import { setImmediate } from 'node:timers/promises';

/** How long work may keep the event loop from everybody else. */
const TURN_MS = 4;

/** For long work in small pieces: between two of them it lets others have their turn, when it has had its own. */
export class Pace {
  #begun = performance.now();

  async breathe(): Promise<void> {
    if (performance.now() - this.#begun < TURN_MS) return;
    await setImmediate();
    this.#begun = performance.now();
  }
}
