import { refuse } from '../http-answer.ts';
import { chooseProtocol, offeredIn } from '../negotiate.ts';
import type { Order } from '../orders.ts';
import { PORT_FORWARD_PROTOCOL } from '../spdy/serve.ts';
import { servePortForward } from '../spdy/serve-port-forward.ts';
import type { Upgrade } from '../upgrade.ts';
import { acceptWebSocket } from './accept.ts';
import { WebSocketConnection } from './connection.ts';
import { COMMAND_PROTOCOLS, PORT_PROTOCOLS, WITHOUT_PROTOCOL } from './protocols.ts';
import type { ChannelProtocol } from './protocols.ts';
import { serveCommand } from './serve-command.ts';
import { servePorts } from './serve-ports.ts';
import { Tunnel } from './tunnel.ts';

/** SPDY inside of a WebSocket, as `kubectl port-forward` speaks it. */
const TUNNEL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}` as const;

/** Two channels for each, and a channel is a byte. */
const MOST_PORTS = 127;

/** Serves a session over a WebSocket, until it is over. */
export async function serveWebSocket(order: Order, upgrade: Upgrade): Promise<void> {
  if (order.kind !== 'portforward') {
    const accepted = await accept(upgrade, COMMAND_PROTOCOLS);
    if (accepted !== undefined) await serveCommand(order.command, accepted.protocol, accepted.connection, upgrade);
    return;
  }
  if (offeredIn(upgrade.request, 'sec-websocket-protocol').includes(TUNNEL)) {
    const socket = await acceptWebSocket(upgrade, TUNNEL);
    if (socket === undefined) return;
    const tunnel = new Tunnel(new WebSocketConnection(socket));
    await servePortForward(order.forwarding, tunnel, { ...upgrade, head: Buffer.alloc(0) });
    return;
  }
  const { length } = order.forwarding.ports;
  if (length === 0 || length > MOST_PORTS) {
    await refuse(upgrade.socket, 400, `Cannot forward ${length} ports: must be 1 to ${MOST_PORTS} in this protocol`);
    return;
  }
  const accepted = await accept(upgrade, PORT_PROTOCOLS);
  if (accepted !== undefined) await servePorts(order.forwarding, accepted.protocol, accepted.connection, upgrade);
}

interface Accepted {
  readonly connection: WebSocketConnection;
  readonly protocol: ChannelProtocol;
}

async function accept<Name extends string>(
  upgrade: Upgrade,
  known: Readonly<Record<Name, ChannelProtocol>>,
): Promise<Accepted | undefined> {
  const names = Object.keys(known) as Name[];
  const offered = offeredIn(upgrade.request, 'sec-websocket-protocol');
  const chosen = chooseProtocol(offered, names);
  if (chosen === undefined && offered.length > 0) {
    await refuse(upgrade.socket, 403, `Cannot upgrade: protocol must be one of ${names.join(', ')}`);
    return undefined;
  }
  const socket = await acceptWebSocket(upgrade, chosen);
  if (socket === undefined) return undefined;
  const protocol = chosen === undefined ? WITHOUT_PROTOCOL : known[chosen];
  return { connection: new WebSocketConnection(socket), protocol };
}
