import type { RawData, WebSocket } from 'ws';
import { Backlog, FlowGate } from '../flow-gate.ts';
import type { PeerConnection } from '../keep-watch.ts';

/** Answers to pings that a client does not read. From here on nothing more of it is read either. */
const MOST_ANSWER_BYTES = 64 << 10;
const PONG_HEADER_BYTES = 2;
const NORMAL_CLOSURE = 1000;

/** What a WebSocket needs whatever is said on it: reading that can be held up, answers to pings, an end. */
export class WebSocketConnection implements PeerConnection {
  readonly gone: AbortSignal;
  readonly gate: FlowGate;
  readonly #socket: WebSocket;
  readonly #answers: Backlog;
  readonly #closed = Promise.withResolvers<void>();
  #error = new Error('the client is gone');

  /** @param socket paused */
  constructor(socket: WebSocket) {
    const gone = new AbortController();
    this.gone = gone.signal;
    this.gate = new FlowGate(socket);
    this.#socket = socket;
    this.#answers = new Backlog(this.gate, MOST_ANSWER_BYTES);
    socket.on('ping', (data: Buffer) => this.#pong(data));
    socket.on('error', (error) => (this.#error = error)); // it closes by itself, with the code that fits
    const onClose = (): void => {
      gone.abort(this.#error);
      this.#closed.resolve();
    };
    socket.once('close', onClose);
    if (socket.readyState === socket.CLOSED) onClose();
  }

  get isHeldUp(): boolean {
    return this.gate.isShut;
  }

  /** A pong that nobody asked for is a sign of life (RFC 6455, 5.5.3), and as good as an answer to client-go. */
  beat(): number {
    if (this.#socket.readyState !== this.#socket.OPEN) return 0;
    this.#socket.pong();
    return PONG_HEADER_BYTES;
  }

  /** Begins to read. */
  onMessage(take: (message: Buffer, isBinary: boolean) => void): void {
    this.#socket.on('message', (message: RawData, isBinary) => take(message as Buffer, isBinary));
    if (!this.gate.isShut) this.#socket.resume();
  }

  /** `done` is called once, when it has left or never will. */
  send(messages: readonly (string | Buffer)[], done: () => void): void {
    const last = messages.at(-1);
    if (last === undefined || this.#socket.readyState !== this.#socket.OPEN) return process.nextTick(done);
    for (const message of messages.slice(0, -1)) this.#socket.send(message);
    this.#socket.send(last, () => done()); // its error is the connection's, which closes
  }

  /** Says goodbye, and resolves when the connection is gone. Go's client takes any other code for an error. */
  async close(): Promise<void> {
    this.gate.openForGood();
    this.#socket.close(NORMAL_CLOSURE);
    await this.#closed.promise;
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #pong(data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const bytes = PONG_HEADER_BYTES + data.length;
    this.#answers.add(bytes);
    this.#socket.pong(data, false, () => this.#answers.add(-bytes));
  }
}
