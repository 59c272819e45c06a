import type { Duplex } from 'node:stream';
import { whenAborted } from '../../../base/abort.ts';
import { forwardConnection, parsePort } from '../forwarding.ts';
import { keepWatch } from '../keep-watch.ts';
import type { PortForwardOrder } from '../orders.ts';
import type { PeerStream } from '../peer-stream.ts';
import type { Upgrade } from '../upgrade.ts';
import { RESET } from './frames.ts';
import { SpdySession } from './session.ts';
import type { AcceptedStream, StreamRequest } from './session.ts';

/** Pairs that wait for their second stream, and connections that are forwarded. */
const MOST_CONNECTIONS = 1_000;

/**
 * Serves port-forwards on one connection, until the client leaves.
 * @param transport the upgraded socket, or a tunnel through it
 */
export async function servePortForward(
  order: PortForwardOrder,
  transport: Duplex,
  upgrade: Omit<Upgrade, 'request'>,
): Promise<void> {
  const { over, limits, log } = upgrade;
  using pairs = new Pairs(order, limits.streamCreationMs);
  const session = new SpdySession(transport, { accept: (request) => pairs.accept(request), limits, log });
  using _watch = keepWatch(upgrade, session);
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  using _over = whenAborted(over.signal, resolve);
  session.start(upgrade.head);
  await isOver;
  await session.close();
}

interface Pair {
  readonly port: number;
  readonly late: NodeJS.Timeout;
  data?: PeerStream;
  error?: PeerStream;
}

/**
 * Brings the two streams of each forwarded connection together: both have the same request id. Clients that know of no
 * such id open the data stream right behind the error stream.
 * @see k8s.io/cri-streaming portforward httpstream.go
 */
class Pairs implements Disposable {
  readonly #order: PortForwardOrder;
  readonly #patienceMs: number;
  readonly #pairs = new Map<string, Pair>();

  constructor(order: PortForwardOrder, patienceMs: number) {
    this.#order = order;
    this.#patienceMs = patienceMs;
  }

  accept(request: StreamRequest): AcceptedStream | typeof RESET.protocolError | typeof RESET.refusedStream {
    const type = request.headers.get('streamtype');
    const port = parsePort(request.headers.get('port'));
    if ((type !== 'data' && type !== 'error') || port === undefined) return RESET.protocolError;
    const key = keyOf(request);
    const known = this.#pairs.get(key);
    if (known !== undefined && (known[type] !== undefined || known.port !== port)) return RESET.protocolError;
    if (known === undefined && this.#pairs.size >= MOST_CONNECTIONS) return RESET.refusedStream;
    return { atLoss: 'fails', use: (stream) => this.#add(key, port, type, stream) };
  }

  [Symbol.dispose](): void {
    for (const { late } of this.#pairs.values()) clearTimeout(late);
  }

  #add(key: string, port: number, type: 'data' | 'error', stream: PeerStream): void {
    const pair = this.#pairs.get(key) ?? this.#begin(key, port);
    pair[type] = stream;
    const { data, error } = pair;
    if (data === undefined || error === undefined) return;
    clearTimeout(pair.late);
    void forwardConnection(this.#order, { port, data, error }).then(() => this.#pairs.delete(key));
  }

  #begin(key: string, port: number): Pair {
    const late = setTimeout(() => this.#giveUp(key), this.#patienceMs);
    const pair: Pair = { port, late };
    this.#pairs.set(key, pair);
    return pair;
  }

  #giveUp(key: string): void {
    const pair = this.#pairs.get(key);
    this.#pairs.delete(key);
    pair?.error?.end(`Cannot forward port ${pair.port}: its data stream was not opened in time`);
    pair?.error?.resume();
    pair?.data?.destroy();
  }
}

function keyOf({ id, headers }: StreamRequest): string {
  const requestId = headers.get('requestid');
  if (requestId !== undefined) return `request ${requestId}`;
  return `stream ${headers.get('streamtype') === 'data' ? id - 2 : id}`;
}
