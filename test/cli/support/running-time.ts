import { setImmediate as nextTurn } from 'node:timers/promises';
import type { World } from '../../fakes/world.ts';

/** Lets the time of a world pass while other processes work: `speed` of its seconds in each of ours. */
export class RunningTime implements AsyncDisposable {
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(world: World, speed = 100) {
    this.#running = this.#run(world, speed);
  }

  async #run(world: World, speed: number): Promise<void> {
    let before = performance.now();
    while (!this.#isOver) {
      const now = performance.now();
      await world.clock.advance((now - before) * speed);
      before = now;
      await nextTurn();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }
}
