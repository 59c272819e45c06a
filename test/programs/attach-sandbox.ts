/**
 * Attaches a sandbox on a private host as a daemon would do it, and says "attached". BERTH_FAIL names a place where the
 * daemon dies instead. Arguments: options for the network and an order, as JSON.
 */
import { parseFailpoints } from '../../src/base/failpoints.ts';
import type { NetworkOrder } from '../../src/engine/ports.ts';
import type { NetworkOptions } from '../../src/network/index.ts';
import { NetworkLab } from '../support/network-lab.ts';

const [, , options = '', order = ''] = process.argv;
const lab = new NetworkLab({
  ...(JSON.parse(options) as Partial<NetworkOptions>),
  failpoints: parseFailpoints(process.env['BERTH_FAIL']),
});
await lab.open();
await lab.attach(JSON.parse(order) as NetworkOrder);
process.stdout.write('attached\n');
setInterval(() => undefined, 60_000);
