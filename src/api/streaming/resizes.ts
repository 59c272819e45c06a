import type { Readable } from 'node:stream';
import type { TerminalSize } from './orders.ts';

/** A size is some 30 bytes long; what is none after so many never will be. */
const LONGEST_SIZE_BYTES = 1_024;

/**
 * The sizes that a client sends, as JSON objects one after the other: `{"Width":80,"Height":24}`. Only the newest one
 * is kept for a reader that is slow. What is no size is left out.
 */
export class Resizes implements AsyncIterable<TerminalSize> {
  #newest: TerminalSize | undefined;
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  constructor(source: Readable | undefined) {
    let text = '';
    const end = (): void => this.#end();
    if (source === undefined) end();
    source?.on('data', (data: Buffer) => {
      if (this.#isOver) return;
      const { sizes, rest } = parseSizes(text + data.toString('latin1'));
      text = rest;
      const last = sizes.at(-1);
      if (last !== undefined) this.#tell(last);
      if (text.length > LONGEST_SIZE_BYTES) end();
    });
    source?.once('end', end);
    source?.once('close', end);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TerminalSize> {
    for (;;) {
      const size = this.#newest;
      this.#newest = undefined;
      if (size !== undefined) yield size;
      else if (this.#isOver) return;
      else await this.#wake.promise;
    }
  }

  #tell(size: TerminalSize): void {
    this.#newest = size;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #end(): void {
    this.#isOver = true;
    this.#wake.resolve();
  }
}

function parseSizes(text: string): { sizes: TerminalSize[]; rest: string } {
  const parts = text.split('}');
  const rest = parts.pop() ?? '';
  const sizes = parts.flatMap((part) => {
    const size = parseSize(`${part}}`);
    return size === undefined ? [] : [size];
  });
  return { sizes, rest };
}

/** A size of 0 is what a client sends that has no terminal: it is none. */
function parseSize(text: string): TerminalSize | undefined {
  try {
    const fields = new Map(
      Object.entries(JSON.parse(text) as object).map(([key, value]) => [key.toLowerCase(), value]),
    );
    const [width, height] = [fields.get('width'), fields.get('height')];
    return isLength(width) && isLength(height) ? { width, height } : undefined;
  } catch {
    return undefined; // no JSON
  }
}

function isLength(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}
