import { BerthError } from '../base/errors.ts';
import { formatSize } from '../base/units.ts';
import type { OutputChunk } from '../engine/ports.ts';

/** What a piece costs beside its bytes: a program that prints them one by one must not get around the cap. */
const CHUNK_COST_BYTES = 256;

/** What one attached client has not read yet. One that falls behind by more than the cap loses it all. */
export class AttachOutput implements AsyncIterable<OutputChunk> {
  readonly #capBytes: number;
  #chunks: OutputChunk[] = [];
  #cost = 0;
  #end: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(capBytes: number) {
    this.#capBytes = capBytes;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  push(chunk: OutputChunk): void {
    if (this.#end !== undefined) return;
    this.#chunks.push(chunk);
    this.#cost += costOf(chunk);
    if (this.#cost > this.#capBytes) {
      this.#chunks = [];
      const behind = `the client fell behind by more than ${formatSize(this.#capBytes)}`;
      this.end(new BerthError('ResourceExhausted', `Cannot go on with the output: ${behind}`));
    } else this.#awake();
  }

  /** What waits is still read. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#awake();
  }

  /** Not a generator, which whoever never reads would leave hanging. */
  [Symbol.asyncIterator](): AsyncIterator<OutputChunk, undefined> {
    return {
      next: async () => {
        for (;;) {
          const chunk = this.#chunks.shift();
          if (chunk !== undefined) {
            this.#cost -= costOf(chunk);
            return { value: chunk, done: false };
          }
          if (this.#end?.error !== undefined) throw this.#end.error;
          if (this.#end !== undefined) return { value: undefined, done: true };
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      },
      return: () => {
        this.#chunks = [];
        this.end();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function costOf({ data }: OutputChunk): number {
  return data.length + CHUNK_COST_BYTES;
}
