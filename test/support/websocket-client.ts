import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { askToUpgrade } from './http-upgrade.ts';

const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface WebSocketMessage {
  readonly isText: boolean;
  readonly data: Buffer;
}

/** A WebSocket client for tests, written from RFC 6455. Messages come in one frame each. */
export class WebSocketClient {
  readonly socket: Socket;
  readonly protocol: string | undefined;
  readonly closed: Promise<unknown>;
  closeCode: number | undefined;
  pongs = 0;
  onMessage: (message: WebSocketMessage) => void = () => undefined;
  readonly #events = new EventEmitter();
  #bytes: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, protocol: string | undefined) {
    this.socket = socket;
    this.protocol = protocol;
    this.closed = once(socket, 'close').catch(() => undefined);
  }

  static async connect(
    url: string,
    protocols: readonly string[],
    onMessage: (message: WebSocketMessage) => void,
  ): Promise<WebSocketClient> {
    const { socket, status, headers, rest } = await askToUpgrade(url, 'GET', [
      'Connection: keep-alive, Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      ...(protocols.length === 0 ? [] : [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`]),
    ]);
    if (status !== 101) {
      socket.destroy();
      throw new Error(`answered with ${status}`);
    }
    const protocol = headers.find(([name]) => name === 'sec-websocket-protocol')?.[1];
    const client = new WebSocketClient(socket, protocol);
    client.onMessage = onMessage;
    client.#take(rest);
    socket.on('data', (chunk: Buffer) => client.#take(chunk));
    socket.resume();
    return client;
  }

  /** Resolves when there is room for more. */
  async send(data: Buffer | string): Promise<void> {
    const opcode = typeof data === 'string' ? OPCODE.text : OPCODE.binary;
    if (!this.frame(opcode, Buffer.from(data))) await Promise.race([once(this.socket, 'drain'), this.closed]);
  }

  ping(data = Buffer.alloc(0)): void {
    this.frame(OPCODE.ping, data);
  }

  /** Resolves when the server has answered a ping, and so has read all that was sent before it. */
  async roundTrip(): Promise<void> {
    const before = this.pongs;
    this.ping();
    while (this.pongs === before) await once(this.#events, 'pong');
  }

  close(code = 1000): void {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(code);
    this.frame(OPCODE.close, bytes);
  }

  frame(opcode: number, data: Buffer): boolean {
    if (this.socket.destroyed) return true;
    const mask = randomBytes(4);
    const masked = Buffer.allocUnsafe(data.length);
    for (let i = 0; i < data.length; i += 1) masked[i] = (data[i] ?? 0) ^ (mask[i & 3] ?? 0);
    return this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), lengthOf(data.length), mask, masked]));
  }

  #onPong(): void {
    this.pongs += 1;
    this.#events.emit('pong');
  }

  #take(chunk: Buffer): void {
    let bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const frame = parseFrame(bytes);
      if (frame === undefined) break;
      bytes = bytes.subarray(frame.length);
      this.#onFrame(frame.opcode, frame.data);
    }
    this.#bytes = bytes;
  }

  #onFrame(opcode: number, data: Buffer): void {
    if (opcode === OPCODE.text || opcode === OPCODE.binary) this.onMessage({ isText: opcode === OPCODE.text, data });
    else if (opcode === OPCODE.pong) this.#onPong();
    else if (opcode === OPCODE.ping) this.frame(OPCODE.pong, data);
    else if (opcode === OPCODE.close) {
      this.closeCode = data.length >= 2 ? data.readUInt16BE(0) : 1005;
      this.close(this.closeCode === 1005 ? 1000 : this.closeCode);
      this.socket.end();
    } else throw new Error(`a frame with opcode ${opcode}`);
  }
}

function lengthOf(length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | length]);
  const bytes = Buffer.alloc(length < 65_536 ? 3 : 9);
  bytes[0] = 0x80 | (length < 65_536 ? 126 : 127);
  if (length < 65_536) bytes.writeUInt16BE(length, 1);
  else bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
}

function parseFrame(bytes: Buffer): { opcode: number; data: Buffer; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  if ((first & 0x80) === 0) throw new Error('a frame that is not the last of its message');
  const headerBytes = second === 127 ? 10 : second === 126 ? 4 : 2;
  if (bytes.length < headerBytes) return undefined;
  const length = second === 127 ? Number(bytes.readBigUInt64BE(2)) : second === 126 ? bytes.readUInt16BE(2) : second;
  if (bytes.length < headerBytes + length) return undefined;
  const data = bytes.subarray(headerBytes, headerBytes + length);
  return { opcode: first & 0x0f, data, length: headerBytes + length };
}

/** The byte stream that binary messages carry, for SPDY inside of a WebSocket. */
export async function tunnelThrough(
  url: string,
  protocol: string,
): Promise<{ client: WebSocketClient; tunnel: Duplex }> {
  const tunnel = new Duplex({
    read: () => undefined,
    write: (data: Buffer, _encoding, done) => {
      if (client.frame(OPCODE.binary, data)) done();
      else client.socket.once('drain', () => done());
    },
    destroy: (error, done) => {
      client.socket.destroy();
      done(error);
    },
  });
  const client = await WebSocketClient.connect(url, [protocol], ({ data }) => tunnel.push(Buffer.from(data)));
  void client.closed.then(() => tunnel.destroy());
  return { client, tunnel };
}
