import { Duplex } from 'node:stream';
import { Backlog } from './flow-gate.ts';
import type { FlowGate } from './flow-gate.ts';

/** How a stream reaches its peer. `done` is called once, when the bytes have left, or will never leave. */
export interface StreamLink {
  send(pieces: readonly Buffer[], done: () => void): void;
  /** Tells the peer that no more comes. */
  finish(done: () => void): void;
  /** Tells the peer that neither more comes nor is wanted. */
  reset(): void;
}

export interface PeerStreamOptions {
  /**
   * When the peer is lost: `ends`, what has arrived can still be read, and what is written vanishes; `fails`, as a
   * broken TCP connection does.
   */
  readonly atLoss: 'ends' | 'fails';
}

/** Bytes of one stream that have arrived and were not read; from here on the connection is held up. */
const STREAM_LIMIT_BYTES = 1 << 20;
/** What a chunk costs besides its bytes, so that a flood of tiny ones counts for what it takes. */
const CHUNK_COST_BYTES = 256;
/** Longer data is cut, so that streams take turns and the peer needs no large buffers. */
const PIECE_BYTES = 64 << 10;
const WRITE_BUFFER_BYTES = 256 << 10;

/** One of the streams that share a connection. Its owner tells it what arrives. */
export class PeerStream extends Duplex {
  readonly #link: StreamLink;
  readonly #backlog: Backlog;
  readonly #atLoss: PeerStreamOptions['atLoss'];
  #arrived: Buffer[] = [];
  #isWanted = false;
  #isPeerDone = false;
  #isLost = false;

  constructor(link: StreamLink, gate: FlowGate, { atLoss }: PeerStreamOptions) {
    super({ allowHalfOpen: true, writableHighWaterMark: WRITE_BUFFER_BYTES });
    this.#link = link;
    this.#backlog = new Backlog(gate, STREAM_LIMIT_BYTES);
    this.#atLoss = atLoss;
    this.on('error', () => undefined); // whoever uses the stream hears of it; nobody has to
  }

  receive(data: Buffer): void {
    if (this.#isPeerDone || this.destroyed) return;
    if (this.#isWanted) {
      this.#isWanted = this.push(data);
      return;
    }
    this.#arrived.push(data);
    this.#backlog.add(data.length + CHUNK_COST_BYTES);
  }

  receiveEnd(): void {
    if (this.#isPeerDone) return;
    this.#isPeerDone = true;
    if (this.#isWanted && !this.destroyed) this.push(null);
  }

  /** What has not been read, and what still comes, is dropped: nobody wants it any more. A lost peer sends no more. */
  dropInput(): void {
    if (this.#isLost) return;
    this.#arrived = [];
    this.#backlog.clear();
    this.receiveEnd();
  }

  /**
   * The peer has given the stream up. Go's port-forward does so to every stream whose end it has read, so after our end
   * it is a goodbye and no failure.
   */
  receiveReset(error: Error): void {
    if (this.writableFinished) this.receiveEnd();
    else this.receiveLoss(error);
  }

  /** The connection is gone. */
  receiveLoss(error: Error): void {
    this.#isLost = true;
    if (this.#atLoss === 'ends') this.receiveEnd();
    else this.destroy(error);
  }

  override _read(): void {
    this.#isWanted = true;
    while (this.#isWanted) {
      const data = this.#arrived.shift();
      if (data === undefined) break;
      this.#backlog.add(-(data.length + CHUNK_COST_BYTES));
      this.#isWanted = this.push(data);
    }
    if (this.#isWanted && this.#isPeerDone) this.push(null);
  }

  // No _writev: chunk by chunk, what waits gets less as the peer takes it, and that is how a stall is told.
  override _write(data: Buffer, _encoding: string, done: () => void): void {
    if (this.#isLost) done();
    else this.#link.send(cut(data), done);
  }

  override _final(done: () => void): void {
    if (this.#isLost) done();
    else this.#link.finish(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#arrived = [];
    this.#backlog.clear();
    const isOver = this.#isPeerDone && this.writableFinished;
    if (!isOver && !this.#isLost) this.#link.reset();
    this.#isLost = true;
    done(error);
  }
}

function cut(data: Buffer): Buffer[] {
  if (data.length <= PIECE_BYTES) return [data];
  const pieces: Buffer[] = [];
  for (let at = 0; at < data.length; at += PIECE_BYTES) pieces.push(data.subarray(at, at + PIECE_BYTES));
  return pieces;
}
