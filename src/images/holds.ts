/** Digests of blobs and keys of layers that work in progress is about to use, so that nobody collects them as garbage. */
export class Holds {
  readonly #counts = new Map<string, number>();

  take(keys: readonly string[]): Disposable {
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return { [Symbol.dispose]: () => keys.forEach((key) => this.#release(key)) };
  }

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  #release(key: string): void {
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}
