import type { SessionOutput } from './orders.ts';
import type { PeerStream } from './peer-stream.ts';

/** After its end a stream tells of no drain. */
const ROOM_EVENTS = ['drain', 'finish', 'close'] as const;

/** One output of a command, with a cap on what waits for a slow client. */
export class ClientOutput implements SessionOutput {
  readonly #stream: PeerStream;
  readonly #capBytes: number;
  readonly #onOverflow: () => void;
  #room: Promise<void> | undefined;

  constructor(stream: PeerStream, capBytes: number, onOverflow: () => void) {
    this.#stream = stream;
    this.#capBytes = capBytes;
    this.#onOverflow = onOverflow;
  }

  async write(data: Uint8Array): Promise<void> {
    const stream = this.#stream;
    if (data.length === 0 || stream.writableEnded || stream.destroyed) return;
    if (stream.writableLength > this.#capBytes) {
      stream.destroy();
      this.#onOverflow();
      return;
    }
    if (!stream.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength))) await this.#hasRoom();
  }

  /** One listener for all who wait. */
  #hasRoom(): Promise<void> {
    this.#room ??= new Promise((resolve) => {
      const done = (): void => {
        for (const event of ROOM_EVENTS) this.#stream.off(event, done);
        this.#room = undefined;
        resolve();
      };
      for (const event of ROOM_EVENTS) this.#stream.on(event, done);
    });
    return this.#room;
  }
}
