import type { TestContext } from 'node:test';
import { askToUpgrade } from './http-upgrade.ts';
import { Received } from './received.ts';
import { SpdyClient } from './spdy-client.ts';
import type { ClientStream } from './spdy-client.ts';
import { WebSocketClient } from './websocket-client.ts';

export const TRANSPORTS = ['spdy', 'websocket'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface Asked {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly tty?: boolean;
}

/** A client of exec and attach, as client-go is one. */
export interface CommandClient {
  readonly stdout: Received;
  readonly stderr: Received;
  /** What came on the error stream. */
  readonly status: Received;
  readonly closed: Promise<unknown>;
  write(data: Buffer | string): Promise<void>;
  endInput(): void;
  resize(text: string): void;
  /** A question and its answer: the server has read all that was sent before. */
  roundTrip(): Promise<void>;
  /** Reads nothing more, as a client that is stopped. */
  freeze(): void;
  thaw(): void;
  /** Goes away without a word. */
  vanish(): void;
}

export async function commandClient(
  t: TestContext,
  transport: Transport,
  url: string,
  asked: Asked,
  protocol?: string,
): Promise<CommandClient> {
  const client = await (transport === 'spdy'
    ? overSpdy(url, asked, protocol ?? 'v4.channel.k8s.io')
    : overWebSocket(url, protocol ?? 'v5.channel.k8s.io'));
  t.after(() => client.vanish());
  return client;
}

/** Resolves with the parsed status when the session is over. */
export async function statusOf(client: CommandClient): Promise<unknown> {
  await client.closed;
  return JSON.parse(client.status.text) as unknown;
}

export async function spdyClient(url: string, protocol: string): Promise<SpdyClient> {
  const { socket, status, rest } = await askToUpgrade(url, 'POST', [
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
    'Content-Length: 0',
  ]);
  if (status !== 101) throw new Error(`answered with ${status}`);
  return new SpdyClient(socket, rest);
}

async function overSpdy(url: string, asked: Asked, protocol: string): Promise<CommandClient> {
  const client = await spdyClient(url, protocol);
  const open = async (type: string, isAsked = true): Promise<ClientStream> =>
    isAsked ? await client.open({ streamtype: type }) : { id: 0, received: new Received(), resetStatus: undefined };
  const error = await open('error');
  const stdin = await open('stdin', asked.stdin === true);
  const stdout = await open('stdout', asked.stdout === true);
  const stderr = await open('stderr', asked.stderr === true);
  const resize = await open('resize', asked.tty === true);
  void error.received.ended.then(() => {
    if (error.received.bytes > 0) client.transport.end(); // the status says that it is over, and clients leave then
  });
  return {
    stdout: stdout.received,
    stderr: stderr.received,
    status: error.received,
    closed: client.closed,
    write: (data) => client.write(stdin, data),
    endInput: () => client.end(stdin),
    resize: (text) => void client.write(resize, text),
    roundTrip: () => client.roundTrip(),
    freeze: () => client.transport.pause(),
    thaw: () => client.transport.resume(),
    vanish: () => client.transport.destroy(),
  };
}

/** How a protocol puts a channel and data into a message. */
function messageOf(protocol: string, channel: number, data: Buffer): Buffer | string {
  if (protocol.includes('base64')) return `${channel}${data.toString('base64')}`;
  return Buffer.concat([Buffer.from([channel]), data]);
}

async function overWebSocket(url: string, protocol: string): Promise<CommandClient> {
  const received = [new Received(), new Received(), new Received(), new Received()];
  const [, stdout = new Received(), stderr = new Received(), status = new Received()] = received;
  const isBase64 = protocol.includes('base64');
  const client = await WebSocketClient.connect(url, protocol === '' ? [] : [protocol], ({ isText, data }) => {
    if (isText !== isBase64) throw new Error('a message of the wrong kind');
    const channel = isBase64 ? Number(data.toString('latin1', 0, 1)) : (data[0] ?? 0);
    received[channel]?.add(isBase64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1));
  });
  void client.closed.then(() => received.forEach((each) => each.end()));
  return {
    stdout,
    stderr,
    status,
    closed: client.closed,
    write: (data) => client.send(messageOf(protocol, 0, Buffer.from(data))),
    endInput: () => void client.send(Buffer.from([255, 0])),
    resize: (text) => void client.send(messageOf(protocol, 4, Buffer.from(text))),
    roundTrip: () => client.roundTrip(),
    freeze: () => client.socket.pause(),
    thaw: () => client.socket.resume(),
    vanish: () => client.socket.destroy(),
  };
}
