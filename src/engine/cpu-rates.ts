/** A look at what something had used by then. */
interface Look {
  /** Boottime in ms. */
  readonly at: number;
  readonly cpuNs: number;
  /** Processors' worth of time between the look before and this one. */
  readonly cores?: number;
}

/** Two looks that are nearer than this make no rate: the kernel counts some of it in ticks. */
const SHORTEST_MS = 1_000;
const NS_PER_MS = 1_000_000;

/**
 * How much of a processor something uses, from the last two looks at how much it has used in all. Nobody looks when
 * nobody asks.
 */
export class CpuRates {
  readonly #looks = new WeakMap<object, Look>();

  /** @returns processors' worth of time: 0.5 is half of one; undefined at the first look */
  coresOf(owner: object, at: number, cpuNs: number | undefined): number | undefined {
    const last = this.#looks.get(owner);
    if (cpuNs === undefined) return undefined;
    if (last === undefined || cpuNs < last.cpuNs) {
      this.#looks.set(owner, { at, cpuNs }); // it has begun anew
      return undefined;
    }
    if (at - last.at < SHORTEST_MS) return last.cores;
    const cores = (cpuNs - last.cpuNs) / ((at - last.at) * NS_PER_MS);
    this.#looks.set(owner, { at, cpuNs, cores });
    return cores;
  }
}
