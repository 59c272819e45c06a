import { whenAborted } from '../../../base/abort.ts';
import { forwardConnection } from '../forwarding.ts';
import { keepWatch } from '../keep-watch.ts';
import type { PortForwardOrder } from '../orders.ts';
import type { Upgrade } from '../upgrade.ts';
import { Channels } from './channels.ts';
import type { WebSocketConnection } from './connection.ts';
import type { ChannelProtocol } from './protocols.ts';

/**
 * Serves the old form of a port-forward: one connection to each port of the order, on channels 2i (data) and 2i + 1
 * (error). Either begins with the port's number, as uint16 little endian.
 */
export async function servePorts(
  order: PortForwardOrder,
  protocol: ChannelProtocol,
  connection: WebSocketConnection,
  upgrade: Upgrade,
): Promise<void> {
  const channels = new Channels(connection, protocol);
  using _watch = keepWatch(upgrade, connection);
  const forwards = order.ports.map(async (port, index) => {
    const data = channels.open(2 * index, { atLoss: 'fails' });
    const error = channels.open(2 * index + 1, { atLoss: 'fails' });
    for (const stream of [data, error]) stream.write(littleEndian(port));
    await forwardConnection(order, { port, data, error });
  });
  channels.start();
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  using _over = whenAborted(upgrade.over.signal, resolve);
  await Promise.race([Promise.all(forwards), isOver]);
  await connection.close();
}

function littleEndian(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}
