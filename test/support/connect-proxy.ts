import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A proxy that leads every host to one port on loopback, and remembers who was asked for. */
export class ConnectProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** `CONNECT host:443` and `GET http://host/…`. */
  readonly asked: { readonly what: string; readonly authorization: string | undefined }[] = [];

  private constructor(server: Server, target: number) {
    this.#server = server;
    server.on('connection', (socket: Socket) => this.#sockets.add(socket));
    server.on('connect', (request: IncomingMessage, client: Socket) => {
      this.#note(request);
      const upstream = connect(target, '127.0.0.1', () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
      this.#sockets.add(upstream);
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    });
    server.on('request', (request: IncomingMessage, response) => {
      this.#note(request);
      const { pathname, search } = new URL(request.url ?? '');
      const headers = Object.entries(request.headers).flatMap(([key, value]) =>
        typeof value === 'string' && key !== 'connection' ? [[key, value]] : [],
      );
      void fetch(`http://127.0.0.1:${target}${pathname}${search}`, {
        method: request.method ?? 'GET',
        headers: headers.filter(([key]) => key !== 'host') as [string, string][],
      }).then(async (answer) => {
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.end(Buffer.from(await answer.arrayBuffer()));
      });
    });
  }

  static async open(target: number): Promise<ConnectProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ConnectProxy(server, target);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #note({ method, url, headers }: IncomingMessage): void {
    this.asked.push({ what: `${method} ${url}`, authorization: headers['proxy-authorization'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
