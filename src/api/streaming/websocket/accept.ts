import type { WebSocket } from 'ws';
import type { Upgrade } from '../upgrade.ts';

/** Clients send 32 KiB at a time, some send a whole file. */
const LONGEST_MESSAGE_BYTES = 32 << 20;

/**
 * Answers the handshake of a WebSocket; one that is none is answered with what is wrong about it. The library would
 * refuse a protocol's name with a slash in it (`SPDY/3.1+portforward.k8s.io`), so it hears of no protocol.
 * @param protocol what was chosen; undefined: the client offered nothing
 * @returns paused; undefined when it was refused
 */
export async function acceptWebSocket(
  { request, socket, head, limits }: Upgrade,
  protocol: string | undefined,
): Promise<WebSocket | undefined> {
  const { WebSocketServer } = await import('ws');
  delete request.headers['sec-websocket-protocol'];
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: LONGEST_MESSAGE_BYTES,
    autoPong: false,
    closeTimeout: limits.lingerMs, // an option that its types do not know yet
  };
  const server = new WebSocketServer(options);
  server.once('headers', (lines) => {
    if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  const { promise, resolve } = Promise.withResolvers<WebSocket | undefined>();
  socket.once('close', () => resolve(undefined));
  server.handleUpgrade(request, socket, head, (accepted) => {
    accepted.pause(); // what comes before anybody listens would be lost
    resolve(accepted);
  });
  return await promise;
}
