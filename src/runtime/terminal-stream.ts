import { Duplex } from 'node:stream';
import type { StreamThread, ThreadStream } from '../linux/stream-thread.ts';
import { endOfInputCharacter } from '../linux/terminal.ts';
import { setNonblocking } from '../linux/transfer.ts';

/** What may wait here for a reader; then the program waits. */
const CREDIT_BYTES = 256 << 10;
const LINE_ENDS: readonly (number | undefined)[] = [undefined, 10, 13];

/**
 * The master of a terminal as a stream: what the program prints, and what is typed. It hangs up when it is destroyed,
 * and is destroyed at its end. Its descriptor comes later than the stream.
 */
export class TerminalStream extends Duplex {
  readonly #thread: StreamThread;
  readonly #bound = Promise.withResolvers<ThreadStream | undefined>();
  #master: number | undefined;
  #stream: ThreadStream | undefined;
  #unread = 0;
  #lastTyped: number | undefined;

  constructor(thread: StreamThread) {
    super();
    this.#thread = thread;
    this.once('end', () => this.destroy());
  }

  /** Open as long as the stream is, whose it is. */
  get master(): number | undefined {
    return this.#master;
  }

  bind(master: number): void {
    setNonblocking(master);
    this.#master = master;
    this.#stream = this.#thread.open(master, {
      framing: 'bytes',
      reader: {
        creditBytes: CREDIT_BYTES,
        onData: (data) => {
          this.#unread += data.length;
          if (this.push(data)) this._read();
        },
        onEnd: () => void this.push(null),
      },
    });
    this.#bound.resolve(this.#stream);
  }

  override _read(): void {
    if (this.#unread > 0) this.#stream?.grant(this.#unread);
    this.#unread = 0;
  }

  override _write(data: Buffer, _: BufferEncoding, done: () => void): void {
    void this.#type(data, done);
  }

  /** A terminal has no end of input but what its user types: within a line once to end the line, and once more. */
  override _final(done: () => void): void {
    const character = this.#master === undefined ? undefined : endOfInputCharacter(this.#master);
    if (character === undefined) return done();
    const times = LINE_ENDS.includes(this.#lastTyped) ? 1 : 2;
    void this.#type(Buffer.alloc(times, character), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#master = undefined;
    this.#stream?.[Symbol.dispose]();
    this.#bound.resolve(undefined);
    done(error);
  }

  async #type(data: Buffer, done: () => void): Promise<void> {
    const stream = await this.#bound.promise;
    this.#lastTyped = data.at(-1);
    await stream?.write(data);
    done();
  }
}
