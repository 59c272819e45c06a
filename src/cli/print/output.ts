import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { jsonText } from './neutral.ts';

/** What may be one. */
type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };

/** One of the two streams that the process writes to. */
export class Output {
  readonly #stream: Terminal;
  #isGone = false;
  /** Called once, when nothing more can be written: EPIPE says that nobody reads any more. */
  onGone: (error: Error) => void = () => undefined;

  constructor(stream: Terminal) {
    this.#stream = stream;
    stream.on('error', (error) => {
      if (this.#isGone) return; // each write that was under way fails by itself
      this.#isGone = true;
      this.onGone(error);
    });
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Of the terminal, in characters; what is usual where it does not say. */
  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#stream.columns ?? 80, rows: this.#stream.rows ?? 24 };
  }

  /** Resolves when there is room for more. What nobody reads is dropped. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#isGone || this.#stream.destroyed || this.#stream.write(data)) return;
    const over = new AbortController();
    const { signal } = over;
    const ends = ['drain', 'close'].map((name) => once(this.#stream, name, { signal }).catch(() => undefined));
    await Promise.race(ends);
    over.abort();
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  lines(lines: readonly string[]): Promise<void> {
    return this.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** One document, indented for people. */
  json(value: unknown): Promise<void> {
    return this.line(jsonText(value, 2));
  }

  /** One line of NDJSON. */
  jsonLine(value: unknown): Promise<void> {
    return this.line(jsonText(value));
  }

  /** Resolves when everything was handed over. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isGone || this.#stream.destroyed) resolve();
      else this.#stream.write('', () => resolve());
    });
  }
}
