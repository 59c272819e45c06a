import { refuse, switchProtocols } from '../http-answer.ts';
import { chooseProtocol, offeredIn } from '../negotiate.ts';
import type { Order } from '../orders.ts';
import type { CommandVersion } from '../status.ts';
import type { Upgrade } from '../upgrade.ts';
import { serveCommand } from './serve-command.ts';
import { servePortForward } from './serve-port-forward.ts';

const COMMAND_VERSIONS = {
  'v5.channel.k8s.io': 5,
  'v4.channel.k8s.io': 4,
  'v3.channel.k8s.io': 3,
  'v2.channel.k8s.io': 2,
  'channel.k8s.io': 1,
} as const satisfies Record<string, CommandVersion>;

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';

/** Serves a session over SPDY/3.1, until it is over. */
export async function serveSpdy(order: Order, upgrade: Upgrade): Promise<void> {
  if (order.kind === 'portforward') {
    const chosen = await negotiate(upgrade, [PORT_FORWARD_PROTOCOL]);
    if (chosen !== undefined) await servePortForward(order.forwarding, upgrade.socket, upgrade);
    return;
  }
  const chosen = await negotiate(upgrade, Object.keys(COMMAND_VERSIONS) as (keyof typeof COMMAND_VERSIONS)[]);
  if (chosen !== undefined) await serveCommand(order.command, COMMAND_VERSIONS[chosen], upgrade);
}

/** @see k8s.io/streaming/pkg/httpstream Handshake */
async function negotiate<Name extends string>(
  { request, socket }: Upgrade,
  known: readonly Name[],
): Promise<Name | undefined> {
  const offered = offeredIn(request, 'x-stream-protocol-version');
  if (offered.length === 0) {
    await refuse(socket, 400, 'Cannot upgrade: header "X-Stream-Protocol-Version" is missing');
    return undefined;
  }
  const chosen = chooseProtocol(offered, known);
  if (chosen === undefined) {
    const accepted = known.map((name) => ['X-Accepted-Stream-Protocol-Versions', name] as const);
    await refuse(socket, 403, `Cannot upgrade: must be one of ${known.join(', ')}`, accepted);
    return undefined;
  }
  switchProtocols(socket, [
    ['Upgrade', 'SPDY/3.1'],
    ['X-Stream-Protocol-Version', chosen],
  ]);
  return chosen;
}
