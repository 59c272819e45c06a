import { BerthError } from '../base/errors.ts';
import { formatSize } from '../base/units.ts';

export interface UnpackLimits {
  /** Of all layers of one import together. */
  readonly largestUnpackedBytes: number;
  readonly mostEntries: number;
}

/** What an archive may still grow to. A few kilobytes can unpack into more than any disk holds. */
export class Budget {
  readonly #limits: UnpackLimits;
  #bytes = 0;
  #entries = 0;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  /** @throws BerthError ResourceExhausted */
  spendBytes(count: number): void {
    this.#bytes += count;
    const most = this.#limits.largestUnpackedBytes;
    if (this.#bytes > most) throw tooMuch(`${formatSize(most)} when it is unpacked`);
  }

  /** @throws BerthError ResourceExhausted */
  spendEntries(count: number): void {
    this.#entries += count;
    const most = this.#limits.mostEntries;
    if (this.#entries > most) throw tooMuch(`${most} files`);
  }
}

function tooMuch(limit: string): BerthError {
  return new BerthError('ResourceExhausted', `Cannot unpack archive: it has more than ${limit}, which is the limit`);
}
