import type { Readable } from 'node:stream';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { OutputChunk } from '../engine/ports.ts';

/** Bytes that wait for a reader; from here on the command's pipe is left to fill. */
const QUEUE_LIMIT_BYTES = 1 << 20;
const TAIL_BYTES = 4_096;

/** Both streams in the order in which they are read. A reader that stops lets what is before them fill, not the memory. */
export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #streams: readonly Readable[];
  #chunks: OutputChunk[] = [];
  #bytes = 0;
  #open: number;
  #wake: () => void = () => undefined;
  #tail: Buffer = Buffer.alloc(0);
  readonly #closed = Promise.withResolvers<void>();

  constructor({ stdout, stderr }: { readonly stdout: Readable; readonly stderr: Readable }) {
    const streams = [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const;
    this.#streams = [stdout, stderr];
    this.#open = this.#streams.length;
    for (const [name, stream] of streams) {
      stream.on('data', (data: Buffer) => this.#push(name, data));
      stream.on('error', () => undefined);
      stream.once('close', () => this.#onClose());
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.data.length;
        if (this.#bytes < QUEUE_LIMIT_BYTES) for (const stream of this.#streams) stream.resume();
        yield chunk;
      } else if (this.#open === 0) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Waits until both streams are at their end. False: they were cut off after `ms`. */
  async drained(ms: number): Promise<boolean> {
    const over = new AbortController();
    const late = sleepFor(ms, false, { signal: over.signal }).catch(() => true);
    const isClosed = await Promise.race([this.#closed.promise.then(() => true), late]);
    over.abort();
    if (!isClosed) for (const stream of this.#streams) stream.destroy();
    return isClosed;
  }

  /** What was said last about a command that did not even begin; on a terminal there is only one stream for that. */
  async lastWords(ms: number): Promise<string> {
    await this.drained(ms);
    return this.#tail.toString('utf8');
  }

  #push(stream: OutputChunk['stream'], data: Buffer): void {
    this.#keepTail(data);
    this.#chunks.push({ stream, data });
    this.#bytes += data.length;
    if (this.#bytes >= QUEUE_LIMIT_BYTES) for (const each of this.#streams) each.pause();
    this.#wake();
  }

  #keepTail(data: Buffer): void {
    const joined = data.length >= TAIL_BYTES ? data : Buffer.concat([this.#tail, data]);
    this.#tail = Buffer.from(joined.subarray(-TAIL_BYTES));
  }

  #onClose(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#closed.resolve();
    this.#wake();
  }
}
