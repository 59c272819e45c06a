import { BerthError } from '../base/errors.ts';
import type { Cidr } from '../base/ip.ts';
import { parseCidr } from '../base/ip.ts';
import type { Failpoints } from '../base/failpoints.ts';
import type { Log } from '../base/log.ts';
import type { Children } from '../linux/children.ts';
import { Nft } from '../linux/nftables.ts';
import { BuiltInNetwork } from './builtin/builtin.ts';
import { NetworkChoice } from './choice.ts';
import { ConfigFolder } from './cni/config-folder.ts';
import { PluginRunner } from './cni/plugin-runner.ts';
import { CniNetwork } from './cni-network.ts';
import { Firewall } from './firewall/firewall.ts';
import { HostPorts } from './host-ports/claims.ts';
import { AttachmentRecords } from './records.ts';
import { Places } from './turns.ts';

export type { CniNetwork } from './cni-network.ts';
export { examineNetwork } from './examine.ts';

export interface NetworkOptions {
  /** Where network configurations are put: `/etc/cni/net.d`. Nothing is ever written there. */
  readonly configFolder: string;
  /** Where plugins are looked for, in this order. */
  readonly pluginFolders: readonly string[];
  /** How long one call of one plugin may take. */
  readonly pluginTimeoutMs: number;
  /** Whether the built-in network is used while there is no configuration. */
  readonly usesBuiltIn: boolean;
  /** Of the built-in network: `10.83.0.0/16`, `fd62:6572:7468::/64`. */
  readonly subnet: string;
  readonly subnet6: string;
  /** For what must survive the daemon: records of attachments. */
  readonly stateFolder: string;
  /** On a tmpfs, for what must not survive a reboot: addresses of the built-in network. */
  readonly runFolder: string;
  readonly children: Children;
  readonly log: Log;
  readonly failpoints: Failpoints;
}

const PLACES = 4;

/** @throws BerthError InvalidArgument when a subnet is none, or not of its family */
export async function openNetwork(options: NetworkOptions): Promise<CniNetwork> {
  const { configFolder, children, log } = options;
  const runner = new PluginRunner({
    children,
    folders: options.pluginFolders,
    timeoutMs: options.pluginTimeoutMs,
    log,
  });
  const builtIn = new BuiltInNetwork({
    subnet: needSubnet(options.subnet, 4),
    subnet6: needSubnet(options.subnet6, 6),
    addressFolder: `${options.runFolder}/addresses`,
    runner,
    children,
    log,
  });
  const folder: ConfigFolder = new ConfigFolder(configFolder, log, () => void network.look());
  const choice = new NetworkChoice({ folder, builtIn: options.usesBuiltIn ? builtIn : undefined, runner, log });
  const network: CniNetwork = new CniNetwork(
    {
      log,
      failpoints: options.failpoints,
      children,
      runner,
      choice,
      builtIn,
      records: new AttachmentRecords(`${options.stateFolder}/results`, log),
      hostPorts: new HostPorts(),
      firewall: new Firewall(new Nft(children), log),
      places: { attach: new Places(PLACES), detach: new Places(PLACES) },
    },
    folder,
  );
  await choice.read();
  void network.look(); // plugins are asked in the background: one that hangs must not keep the daemon from serving
  return network;
}

function needSubnet(text: string, family: 4 | 6): Cidr {
  const subnet = parseCidr(text);
  if (subnet?.family === family) return subnet;
  throw new BerthError('InvalidArgument', `Cannot use subnet "${text}": must be a network of IPv${family}`);
}
