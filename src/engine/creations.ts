import type { Clock } from '../base/clock.ts';

interface Creation<T> {
  readonly request: string;
  readonly made: Promise<T>;
  /** Boottime in ms; undefined while it is going on. */
  endedAt: number | undefined;
}

/** How long a client that did not get its answer may ask again. */
const REMEMBERED_MS = 60_000;

/**
 * Creations by name. A client whose deadline passed asks for the same thing again: it joins what is going on, or gets
 * what was made a moment ago, instead of hearing that the name is taken.
 */
export class Creations<T extends { readonly isGone: boolean }> {
  readonly #clock: Clock;
  readonly #byName = new Map<string, Creation<T>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param request what is wanted, which must be equal to be the same */
  async join(name: string, request: unknown, begin: () => Promise<T>): Promise<T> {
    this.#forgetOld();
    const wanted = JSON.stringify(request);
    const known = this.#byName.get(name);
    if (known?.request === wanted) {
      const made = await known.made;
      if (!made.isGone) return made;
    }
    return this.#begin(name, wanted, begin);
  }

  #begin(name: string, request: string, begin: () => Promise<T>): Promise<T> {
    const before = this.#byName.get(name);
    if (before?.endedAt === undefined && before !== undefined) return begin(); // its name is taken, which it will say
    const creation: Creation<T> = { request, made: begin(), endedAt: undefined };
    this.#byName.set(name, creation);
    creation.made.then(
      () => (creation.endedAt = this.#clock.now()),
      () => this.#byName.get(name) === creation && this.#byName.delete(name),
    );
    return creation.made;
  }

  #forgetOld(): void {
    const oldest = this.#clock.now() - REMEMBERED_MS;
    for (const [name, { endedAt = Infinity }] of this.#byName) {
      if (endedAt < oldest) this.#byName.delete(name);
    }
  }
}
