/**
 * Keeps runtime commands and freezes apart: a command that enters a frozen container hangs, and SIGTERM does not end
 * it. Commands of one run may overlap; a freeze waits for them, and they wait for the thaw.
 */
export class Gate {
  #commands = 0;
  #thawed: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  /** Runs a command when nothing is frozen. */
  async pass<T>(command: () => Promise<T>): Promise<T> {
    while (this.#thawed !== undefined) await this.#thawed.promise;
    this.#commands += 1;
    try {
      return await command();
    } finally {
      this.#commands -= 1;
      if (this.#commands === 0) this.#idle?.resolve();
    }
  }

  /** Lets no new command in. Returns false when those inside did not end within the time: then it is open again. */
  async close(withinMs: number): Promise<boolean> {
    this.#thawed ??= Promise.withResolvers();
    if (this.#commands === 0) return true;
    this.#idle = Promise.withResolvers();
    const timer = setTimeout(() => this.#idle?.resolve(), withinMs);
    await this.#idle.promise;
    clearTimeout(timer);
    this.#idle = undefined;
    if (this.#commands === 0) return true;
    this.open();
    return false;
  }

  open(): void {
    this.#thawed?.resolve();
    this.#thawed = undefined;
  }
}
