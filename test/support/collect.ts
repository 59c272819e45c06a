import { setTimeout as sleepFor } from 'node:timers/promises';
import type { OutputChunk } from '../../src/engine/ports.ts';

/** Reads a stream of output as it comes, and can be asked for what came. */
export class Collected {
  readonly #texts = { stdout: '', stderr: '' };
  /** Resolves at its end; rejects with what it ends with. */
  readonly ended: Promise<void>;
  bytes = 0;

  /** @param isCounting only the number of bytes is kept */
  constructor(output: AsyncIterable<OutputChunk>, isCounting = false) {
    this.ended = this.#read(output, isCounting);
    this.ended.catch(() => undefined);
  }

  get stdout(): string {
    return this.#texts.stdout;
  }

  get stderr(): string {
    return this.#texts.stderr;
  }

  async until(isTrue: (collected: this) => boolean): Promise<void> {
    while (!isTrue(this)) await sleepFor(2);
  }

  async #read(output: AsyncIterable<OutputChunk>, isCounting: boolean): Promise<void> {
    for await (const { stream, data } of output) {
      this.bytes += data.length;
      if (!isCounting) this.#texts[stream] += Buffer.from(data).toString('utf8');
    }
  }
}
