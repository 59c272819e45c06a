import { refuse } from './http-answer.ts';
import type { Order } from './orders.ts';
import type { Upgrade } from './upgrade.ts';

/** Serves one session in the protocol that its client asks for. What that needs is loaded when it is first needed. */
export async function serveUpgrade(order: Order, upgrade: Upgrade): Promise<void> {
  switch (upgrade.request.headers.upgrade?.toLowerCase()) {
    case 'spdy/3.1': {
      const { serveSpdy } = await import('./spdy/serve.ts');
      return await serveSpdy(order, upgrade);
    }
    case 'websocket': {
      const { serveWebSocket } = await import('./websocket/serve.ts');
      return await serveWebSocket(order, upgrade);
    }
    default:
      return await refuse(upgrade.socket, 400, 'Cannot upgrade: must be SPDY/3.1 or websocket');
  }
}
