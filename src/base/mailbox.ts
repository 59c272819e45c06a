/**
 * Runs tasks one after the other, in the order in which they were posted. Tasks must be short: they decide, save and
 * start work. A task that returned the promise of long work would block everybody behind it, so return an object that
 * holds that promise instead.
 */
export class Mailbox {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined); // the poster hears of the failure; the next task does not care
    return result;
  }
}
