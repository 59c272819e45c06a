import { whenAborted } from '../../../base/abort.ts';
import { PeerStream } from '../peer-stream.ts';
import type { PeerStreamOptions } from '../peer-stream.ts';
import type { WebSocketConnection } from './connection.ts';
import { closedChannel, decodeMessage, encodeMessage } from './protocols.ts';
import type { ChannelProtocol } from './protocols.ts';

/** The numbered streams of a WebSocket. What comes on a channel that is not open is dropped. */
export class Channels {
  readonly #connection: WebSocketConnection;
  readonly #protocol: ChannelProtocol;
  readonly #streams = new Map<number, PeerStream>();

  constructor(connection: WebSocketConnection, protocol: ChannelProtocol) {
    this.#connection = connection;
    this.#protocol = protocol;
    whenAborted(connection.gone, () => {
      for (const stream of this.#streams.values()) stream.receiveLoss(connection.gone.reason as Error);
    });
  }

  open(channel: number, options: PeerStreamOptions): PeerStream {
    const link = {
      send: (pieces: readonly Buffer[], done: () => void) => {
        const messages = pieces.map((data) => encodeMessage(this.#protocol, { channel, data }));
        this.#connection.send(messages, done);
      },
      finish: (done: () => void) => done(), // a server cannot tell
      reset: () => undefined,
    };
    const stream = new PeerStream(link, this.#connection.gate, options);
    this.#streams.set(channel, stream);
    if (this.#connection.gone.aborted) stream.receiveLoss(this.#connection.gone.reason as Error);
    return stream;
  }

  /** Begins to read; the channels that are wanted must be open. */
  start(): void {
    this.#connection.onMessage((message) => this.#onMessage(message));
  }

  /** A message without data, which tells the client that the server is there. */
  greet(channel: number): void {
    this.#connection.send([encodeMessage(this.#protocol, { channel, data: Buffer.alloc(0) })], () => undefined);
  }

  #onMessage(bytes: Buffer): void {
    const message = decodeMessage(this.#protocol, bytes);
    if (message === undefined) return;
    const closed = closedChannel(this.#protocol, message);
    if (closed !== undefined) this.#streams.get(closed)?.receiveEnd();
    else if (message.data.length > 0) this.#streams.get(message.channel)?.receive(message.data);
  }
}
