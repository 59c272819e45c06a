/**
 * Attaches a sandbox on a private host as a daemon would do it, and says "attached"; then detaches it if it is told to.
 * BERTH_FAIL names a place where the daemon dies instead. Arguments: options for the network and an order, as JSON, and
 * `detach`.
 */
import { parseFailpoints } from '../../src/base/failpoints.ts';
import type { NetworkOrder } from '../../src/engine/ports.ts';
import type { NetworkOptions } from '../../src/network/index.ts';
import { NetworkLab } from '../support/network-lab.ts';

const [, , options = '', text = '', verb] = process.argv;
const order = JSON.parse(text) as NetworkOrder;
const lab = new NetworkLab({
  ...(JSON.parse(options) as Partial<NetworkOptions>),
  failpoints: parseFailpoints(process.env['BERTH_FAIL']),
});
await lab.open();
await lab.attach(order);
process.stdout.write('attached\n');
if (verb === 'detach') await lab.network.detach(order.sandboxId, order.netns);
setInterval(() => undefined, 60_000);
