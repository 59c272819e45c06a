import { runCommand } from '../command-session.ts';
import { keepWatch } from '../keep-watch.ts';
import type { CommandOrder } from '../orders.ts';
import type { PeerStream } from '../peer-stream.ts';
import type { Upgrade } from '../upgrade.ts';
import { Channels } from './channels.ts';
import type { WebSocketConnection } from './connection.ts';
import type { ChannelProtocol } from './protocols.ts';

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Serves an exec or an attach on a WebSocket, until it is over. All channels are there from the beginning. */
export async function serveCommand(
  order: CommandOrder,
  protocol: ChannelProtocol,
  connection: WebSocketConnection,
  upgrade: Upgrade,
): Promise<void> {
  const { over, limits } = upgrade;
  const channels = new Channels(connection, protocol);
  using _watch = keepWatch(upgrade, connection);
  const open = (name: keyof typeof CHANNEL): PeerStream => channels.open(CHANNEL[name], { atLoss: 'ends' });
  const streams = {
    error: open('error'),
    ...(order.stdin && { stdin: open('stdin') }),
    ...(order.stdout && { stdout: open('stdout') }),
    ...(order.stderr && { stderr: open('stderr') }),
    ...(order.tty && { resize: open('resize') }),
  };
  channels.start();
  channels.greet(order.stdout ? CHANNEL.stdout : order.stderr ? CHANNEL.stderr : CHANNEL.error);
  await runCommand({ order, version: protocol.version, streams, over, limits });
  await connection.close();
}
