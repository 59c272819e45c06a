import { BerthError } from '../base/errors.ts';

/** A stretch of the source; `left` tells how much of it has not been read. */
export interface LimitedBytes extends AsyncIterable<Uint8Array> {
  readonly left: number;
}

/** Reads a stream of chunks by counts of bytes. */
export class ByteReader implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /**
   * Exactly so many bytes, copied; undefined when the source has ended before the first of them.
   * @throws BerthError InvalidArgument when it ends within them
   */
  async take(count: number): Promise<Buffer | undefined> {
    const taken = Buffer.alloc(count);
    let filled = 0;
    while (filled < count) {
      const chunk = await this.#next(count - filled);
      if (chunk === undefined && filled === 0) return undefined;
      if (chunk === undefined) throw cutOff();
      taken.set(chunk, filled);
      filled += chunk.length;
    }
    return taken;
  }

  /** The next bytes as they come. */
  limited(count: number): LimitedBytes {
    let left = count;
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      if (left <= 0) return { done: true, value: undefined };
      const chunk = await this.#next(left);
      if (chunk === undefined) throw cutOff();
      left -= chunk.length;
      return { done: false, value: chunk };
    };
    return {
      get left() {
        return left;
      },
      [Symbol.asyncIterator]: () => ({ next }),
    };
  }

  async skip(count: number): Promise<void> {
    for await (const _ of this.limited(count));
  }

  async drain(): Promise<void> {
    while ((await this.#next(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  /** The next bytes, at least one and at most `most`. */
  async #next(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#rest = value;
    }
    const chunk = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(chunk.length);
    return chunk;
  }
}

function cutOff(): BerthError {
  return new BerthError('InvalidArgument', 'Cannot read archive: it is cut off');
}
