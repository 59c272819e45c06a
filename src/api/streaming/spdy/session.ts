import type { Duplex } from 'node:stream';
import { asError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { closeGently } from '../close-gently.ts';
import { Backlog, FlowGate } from '../flow-gate.ts';
import type { PeerConnection } from '../keep-watch.ts';
import type { Limits } from '../limits.ts';
import { PeerStream } from '../peer-stream.ts';
import type { PeerStreamOptions } from '../peer-stream.ts';
import { FrameReader } from './frame-reader.ts';
import type { ControlFrame } from './frame-reader.ts';
import * as frames from './frames.ts';
import { EmptyBlocks, parseHeaderBlock } from './header-block.ts';
import type { Headers } from './header-block.ts';
import { HeaderInflater } from './header-inflater.ts';
import { SpdyError } from './spdy-error.ts';

export interface StreamRequest {
  readonly id: number;
  readonly headers: Headers;
}

export interface AcceptedStream extends PeerStreamOptions {
  /** Called when the client has been told that it is accepted. */
  readonly use: (stream: PeerStream) => void;
}

export interface SpdySessionOptions {
  /** Says who uses a stream, or why nobody does. */
  readonly accept: (request: StreamRequest) => AcceptedStream | frames.ResetStatus;
  readonly limits: Pick<Limits, 'stallMs' | 'lingerMs'>;
  readonly log: Log;
}

const HIGHEST_ID = 0x7fff_ffff;
/** Port-forward has two for each connection. */
const MOST_STREAMS = 2_000;
/** Answers (to pings, to streams) that a client does not read. From here on nothing more of it is read either. */
const MOST_ANSWER_BYTES = 64 << 10;

/**
 * The server's side of a SPDY/3.1 connection as Go's spdystream speaks it: without pseudo headers, and without windows,
 * so that the connection itself is all that can be held up. The client opens all streams.
 */
export class SpdySession implements PeerConnection {
  /** Aborts when the connection is gone. The reason is what the client did wrong, if that ended it. */
  readonly gone: AbortSignal;
  readonly #gone = new AbortController();
  readonly #transport: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #gate: FlowGate;
  readonly #answers: Backlog;
  readonly #streams = new Map<number, PeerStream>();
  readonly #inflater = new HeaderInflater();
  readonly #blocks = new EmptyBlocks();
  readonly #reader: FrameReader;
  #lastStreamId = 0;
  #lastPingId = 0;
  #isClosing = false;

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.gone = this.#gone.signal;
    this.#transport = transport;
    this.#options = options;
    this.#gate = new FlowGate(transport);
    this.#answers = new Backlog(this.#gate, MOST_ANSWER_BYTES);
    this.#reader = new FrameReader({
      onData: (id, data) => this.#streams.get(id)?.receive(data),
      onDataEnd: (id) => this.#streams.get(id)?.receiveEnd(),
      onControl: (frame) => this.#onControl(frame),
    });
    transport.on('error', () => undefined); // 'close' comes behind it
    transport.once('end', () => transport.destroy()); // no client of this protocol shuts down one direction
    transport.once('close', () => this.#lose(new Error('the client is gone')));
  }

  /** Nothing is read, because nobody takes what came. */
  get isHeldUp(): boolean {
    return this.#gate.isShut;
  }

  /** @param head what came behind the upgrade request */
  start(head: Buffer): void {
    if (head.length > 0) this.#onChunk(head);
    this.#transport.on('data', (chunk: Buffer) => this.#onChunk(chunk));
    if (!this.#gate.isShut) this.#transport.resume();
    if (this.#transport.destroyed) this.#lose(new Error('the client is gone'));
  }

  /** Asks the client whether it is there. Its answer is of no interest. */
  beat(): number {
    if (this.#isClosing || this.#transport.destroyed) return 0;
    this.#lastPingId = this.#lastPingId >= HIGHEST_ID - 1 ? 2 : this.#lastPingId + 2;
    const frame = frames.ping(this.#lastPingId);
    this.#transport.write(frame);
    return frame.length;
  }

  /** Sends what is under way, says goodbye, and resolves when the connection is gone. */
  async close(status: frames.GoAwayStatus = frames.GO_AWAY.ok): Promise<void> {
    if (!this.#isClosing && !this.#transport.destroyed) {
      this.#transport.write(frames.goAway(this.#lastStreamId, status));
      this.#isClosing = true;
      this.#gate.openForGood();
      await closeGently(this.#transport, this.#options.limits);
    }
    if (!this.#transport.closed) await new Promise((resolve) => this.#transport.once('close', resolve));
  }

  #onChunk(chunk: Buffer): void {
    if (this.#isClosing) return;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#giveUp(asError(error));
    }
  }

  #giveUp(error: Error): void {
    const isClients = error instanceof SpdyError;
    if (!isClients) this.#options.log.error('SPDY connection failed', { error: error.stack });
    void this.close(isClients ? frames.GO_AWAY.protocolError : frames.GO_AWAY.internalError);
    this.#lose(error); // nobody has to wait until the client has heard of it
  }

  #onControl({ type, flags, body }: ControlFrame): void {
    switch (type) {
      case frames.TYPE.synStream:
        return this.#onSynStream(flags, body);
      case frames.TYPE.rstStream:
        expectLength(body, 8);
        return this.#streams.get(body.readUInt32BE(0))?.receiveReset(new Error('the client gave the stream up'));
      case frames.TYPE.ping:
        expectLength(body, 4);
        return this.#onPing(body.readUInt32BE(0));
      case frames.TYPE.synReply:
      case frames.TYPE.headers:
        expectAtLeast(body, 4);
        this.#inflater.inflate(body.subarray(4)); // of no interest, but later blocks point back into it
        return undefined;
      default:
        return undefined; // settings, windows that nobody keeps, a goodbye before the close, and what is unknown
    }
  }

  /** @see SPDY Protocol, draft 3.1, 2.3.2 Stream creation */
  #onSynStream(flags: number, body: Buffer): void {
    expectAtLeast(body, 10);
    const id = body.readUInt32BE(0);
    const headers = parseHeaderBlock(this.#inflater.inflate(body.subarray(10)));
    if (id % 2 !== 1 || id <= this.#lastStreamId || id > HIGHEST_ID) throw new SpdyError(`a new stream ${id}`);
    this.#lastStreamId = id;
    const isUsable = (flags & frames.FLAG_UNIDIRECTIONAL) === 0 && this.#streams.size < MOST_STREAMS;
    const accepted = isUsable ? this.#options.accept({ id, headers }) : frames.RESET.refusedStream;
    if (typeof accepted === 'number') return this.#answer(frames.rstStream(id, accepted));
    const stream = this.#newStream(id, accepted);
    this.#answer(frames.synReply(id, this.#blocks.next())); // Go throws away what it gets before it
    if ((flags & frames.FLAG_FIN) !== 0) stream.receiveEnd();
    accepted.use(stream);
  }

  #newStream(id: number, options: PeerStreamOptions): PeerStream {
    const link = {
      send: (pieces: readonly Buffer[], done: () => void) => this.#sendData(id, pieces, done),
      finish: (done: () => void) => this.#send([frames.dataHeader(id, frames.FLAG_FIN, 0)], done),
      reset: () => this.#answer(frames.rstStream(id, frames.RESET.cancel)),
    };
    const stream = new PeerStream(link, this.#gate, options);
    this.#streams.set(id, stream);
    stream.once('close', () => this.#streams.delete(id));
    return stream;
  }

  #onPing(id: number): void {
    const isQuestion = id % 2 === 1;
    if (isQuestion) this.#answer(frames.ping(id));
  }

  #sendData(id: number, pieces: readonly Buffer[], done: () => void): void {
    this.#send(
      pieces.flatMap((piece) => [frames.dataHeader(id, 0, piece.length), piece]),
      done,
    );
  }

  #send(buffers: readonly Buffer[], done: () => void): void {
    const last = buffers.at(-1);
    if (this.#isClosing || this.#transport.destroyed || last === undefined) return process.nextTick(done);
    this.#transport.cork();
    for (const buffer of buffers.slice(0, -1)) this.#transport.write(buffer);
    this.#transport.write(last, () => done()); // its error is the connection's, which closes
    this.#transport.uncork();
  }

  #answer(frame: Buffer): void {
    if (this.#isClosing || this.#transport.destroyed) return;
    this.#answers.add(frame.length);
    this.#transport.write(frame, () => this.#answers.add(-frame.length));
  }

  #lose(error: Error): void {
    this.#isClosing = true;
    this.#gone.abort(error);
    for (const stream of this.#streams.values()) stream.receiveLoss(error);
  }
}

function expectLength(body: Buffer, length: number): void {
  if (body.length !== length) throw new SpdyError(`a frame of ${body.length} instead of ${length} bytes`);
}

function expectAtLeast(body: Buffer, length: number): void {
  if (body.length < length) throw new SpdyError(`a frame of ${body.length} bytes, at least ${length} were expected`);
}
