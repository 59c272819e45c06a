import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { refuse } from './http-answer.ts';
import type { Limits } from './limits.ts';
import type { AttachOrder, CommandOrder, ExecOrder, Order, PortForwardOrder } from './orders.ts';
import { serveUpgrade } from './serve-upgrade.ts';
import { Tokens } from './tokens.ts';

// Not imported: that reads every export of the module, one of which loads a WebSocket client.
const { createServer } = process.getBuiltinModule('node:http');

const LONGEST_HEADERS_BYTES = 16 << 10;
/** For clients to hear that the server ends. */
const FAREWELL_MS = 2_000;

/** Sessions of clients that bring a token: what a URL in the answer to Exec, Attach and PortForward leads to. */
export class StreamingServer {
  readonly #server: Server;
  readonly #base: string;
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #tokens: Tokens<Order>;
  /** Connections that have not brought a token. */
  readonly #strangers = new Set<Socket>();
  readonly #sessions = new Map<Socket, { readonly over: AbortController; readonly done: Promise<void> }>();

  private constructor(server: Server, base: string, limits: Limits, log: Log) {
    this.#server = server;
    this.#base = base;
    this.#limits = limits;
    this.#log = log;
    this.#tokens = new Tokens(limits.tokenMs, limits.mostTokens);
    server.on('connection', (socket) => this.#onConnection(socket));
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as Socket, head));
  }

  /** @throws BerthError Unavailable when it cannot listen there */
  static async listen(host: string, port: number, limits: Limits, log: Log): Promise<StreamingServer> {
    const server = createServer({
      maxHeaderSize: LONGEST_HEADERS_BYTES,
      headersTimeout: limits.handshakeMs,
      requestTimeout: limits.handshakeMs,
      connectionsCheckingInterval: Math.min(limits.handshakeMs, 5_000),
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      noDelay: true, // a SPDY client opens its streams one after the other, and waits for each answer
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      const message = `Cannot listen on "${host}", port ${port}: ${messageOf(error)}`;
      throw new BerthError('Unavailable', message, { cause: error });
    }
    const address = server.address() as AddressInfo;
    const base = address.family === 'IPv6' ? `http://[${host}]:${address.port}` : `http://${host}:${address.port}`;
    server.on('error', (error) => log.error('streaming server failed', { error: messageOf(error) }));
    return new StreamingServer(server, base, limits, log);
  }

  /** @throws BerthError InvalidArgument; ResourceExhausted while too many URLs wait to be used */
  urlForExec(order: ExecOrder): string {
    return this.#urlFor({ kind: 'exec', command: commandOf(order, order.exec) });
  }

  /** @throws BerthError as `urlForExec` */
  urlForAttach(order: AttachOrder): string {
    const run = async (...args: Parameters<AttachOrder['attach']>): Promise<undefined> => {
      await order.attach(...args);
    };
    return this.#urlFor({ kind: 'attach', command: commandOf(order, run) });
  }

  /** @throws BerthError ResourceExhausted while too many URLs wait to be used */
  urlForPortForward(order: PortForwardOrder): string {
    return this.#urlFor({ kind: 'portforward', forwarding: order });
  }

  /** Ends all sessions, tells their clients, and resolves when every connection is closed. */
  async close(): Promise<void> {
    this.#tokens.clear();
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#strangers) socket.destroy();
    const sessions = [...this.#sessions];
    for (const [, { over }] of sessions)
      over.abort(new BerthError('Unavailable', 'Cannot go on: the server is ending'));
    const farewell = new AbortController();
    const late = sleepFor(FAREWELL_MS, undefined, { signal: farewell.signal }).catch(() => undefined);
    const done = Promise.all(sessions.map(([, session]) => session.done));
    await Promise.race([done, late]);
    farewell.abort();
    for (const [socket] of sessions) socket.destroy();
    await done;
  }

  #urlFor(order: Order): string {
    return `${this.#base}/${order.kind}/${this.#tokens.issue(order)}`;
  }

  /** Anybody on the host can connect. Those who have nothing to show may not use up the daemon's files. */
  #onConnection(socket: Socket): void {
    socket.on('error', () => undefined); // 'close' comes behind it
    if (this.#strangers.size >= this.#limits.mostStrangers) {
      socket.destroy();
      return;
    }
    this.#strangers.add(socket);
    socket.once('close', () => this.#strangers.delete(socket));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const [status, message] = this.#redeem(request).refusal ?? [400, 'Cannot serve: the connection must be upgraded'];
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(`${message}\n`);
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { order, refusal } = this.#redeem(request);
    if (order === undefined) {
      void refuse(socket, ...refusal);
      return;
    }
    this.#strangers.delete(socket);
    const over = new AbortController();
    const done = this.#serve(order, { request, socket, head, over, limits: this.#limits, log: this.#log });
    this.#sessions.set(socket, { over, done });
    void done.then(() => this.#sessions.delete(socket));
  }

  async #serve(order: Order, upgrade: Parameters<typeof serveUpgrade>[1]): Promise<void> {
    const { socket, log } = upgrade;
    try {
      log.debug('streaming session begins', { kind: order.kind });
      await serveUpgrade(order, upgrade);
      log.debug('streaming session has ended', { kind: order.kind });
    } catch (error) {
      log.error('streaming session failed', { kind: order.kind, error: messageOf(error) });
    } finally {
      socket.destroy();
    }
  }

  /** Whatever the request is otherwise, its token is of no use afterwards. */
  #redeem({
    method,
    url = '',
  }: IncomingMessage):
    | { readonly order: Order; readonly refusal?: undefined }
    | { readonly order?: undefined; readonly refusal: readonly [status: number, message: string] } {
    const [, kind, token = ''] = /^\/(exec|attach|portforward)\/([\w-]+)(?:\?|$)/.exec(url) ?? [];
    if (method !== 'GET' && method !== 'POST') return { refusal: [405, 'Cannot serve: must be GET or POST'] };
    const order = this.#tokens.redeem(token);
    if (order === undefined || order.kind !== kind) {
      return { refusal: [404, 'Cannot serve: the URL is not known, was used before, or is too old'] };
    }
    return { order };
  }
}

function commandOf({ stdin, stdout, stderr, tty }: Omit<CommandOrder, 'run'>, run: CommandOrder['run']): CommandOrder {
  if (!stdin && !stdout && !stderr) {
    throw new BerthError('InvalidArgument', 'Cannot open a session: must have at least one of stdin, stdout, stderr');
  }
  if (tty && stderr) {
    throw new BerthError('InvalidArgument', 'Cannot open a session: a terminal has no stderr of its own');
  }
  return { stdin, stdout, stderr, tty, run };
}
