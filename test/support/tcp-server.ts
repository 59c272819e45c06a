import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';

/** A TCP server on a port of its own that ends with the test. Returns the port. */
export async function tcpServer(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Forwards to the loopback address of this host, as an engine does in a sandbox. */
export async function forwardToLoopback(port: number, stream: Duplex, signal: AbortSignal): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  signal.addEventListener('abort', () => socket.destroy());
  await once(socket, 'connect');
  await Promise.all([pipeline(stream, socket), pipeline(socket, stream)]);
}
