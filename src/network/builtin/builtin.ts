import { existsSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { Cidr } from '../../base/ip.ts';
import { formatCidr, networkOf, overlap } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import type { Children } from '../../linux/children.ts';
import type { NetworkList } from '../cni/config.ts';
import { parseList } from '../cni/config.ts';
import type { PluginRunner } from '../cni/plugin-runner.ts';
import { BRIDGE } from '../firewall/ruleset.ts';
import { hasIpv6, setUpBridge, switchForwardingOn } from './forwarding.ts';
import { readHostRoutes } from './host-routes.ts';

export interface BuiltInParts {
  readonly subnet: Cidr;
  /** For hosts that have IPv6. */
  readonly subnet6: Cidr;
  /** Where addresses in use are noted: on a tmpfs, for they mean nothing after a reboot. */
  readonly addressFolder: string;
  readonly runner: PluginRunner;
  readonly children: Children;
  readonly log: Log;
}

export const BUILT_IN_NAME = 'berth';

const PLUGINS = ['bridge', 'host-local'] as const;
const DEADLINE_MS = 10_000;

/**
 * The network of hosts that have none configured: a bridge, addresses from a file per address. Masquerading and host
 * ports are the firewall's, which is why its plugins are but two. Nothing on the host is changed before its first use.
 */
export class BuiltInNetwork {
  readonly #parts: BuiltInParts;
  #trouble: string | undefined = 'it has not been examined yet';
  #hasNft = false;

  constructor(parts: BuiltInParts) {
    this.#parts = parts;
  }

  /** Why it cannot be used on this host, as of the last `examine`. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** As a configuration file would have it. */
  get network(): NetworkList {
    const ranges = this.#subnets().map((subnet) => [{ subnet: formatCidr(networkOf(subnet)) }]);
    const ipam = { type: 'host-local', dataDir: this.#parts.addressFolder, ranges };
    const bridge = { type: 'bridge', bridge: BRIDGE, isDefaultGateway: true, ipMasq: false, hairpinMode: true, ipam };
    return parseList(JSON.stringify({ cniVersion: '1.0.0', name: BUILT_IN_NAME, plugins: [bridge] }));
  }

  async examine(): Promise<void> {
    this.#trouble = await this.#findTrouble();
  }

  /** Makes the host ready for it. */
  prepare(): void {
    switchForwardingOn(
      this.#subnets().map(({ family }) => family),
      this.#parts.log,
    );
  }

  /** For sandboxes that an earlier daemon attached to it. */
  takeOver(): void {
    this.prepare();
    this.finish();
  }

  /** After each ADD: the bridge was made by the plugin. */
  finish(): void {
    setUpBridge();
  }

  /** Removes the bridge. Whoever calls it knows that nobody is attached. */
  async remove(): Promise<void> {
    if (!isBridgeThere()) return;
    const { code, stderr } = await this.#parts.children.run('ip', ['link', 'delete', BRIDGE], {
      deadlineMs: DEADLINE_MS,
    });
    if (code !== 0) this.#parts.log.warn('the bridge cannot be removed', { bridge: BRIDGE, error: stderr.trim() });
  }

  #subnets(): readonly Cidr[] {
    const { subnet, subnet6 } = this.#parts;
    return hasIpv6() ? [subnet, subnet6] : [subnet];
  }

  async #findTrouble(): Promise<string | undefined> {
    const { runner, children } = this.#parts;
    for (const plugin of PLUGINS) {
      if ((await runner.find(plugin)) === undefined) {
        return `network plugin "${plugin}" is not in ${runner.folders.join(', ')}: install containernetworking-plugins`;
      }
    }
    try {
      if (!this.#hasNft) await children.run('nft', ['--version'], { deadlineMs: DEADLINE_MS });
      this.#hasNft = true;
    } catch (error) {
      return `${messageOf(error)}: install nftables`;
    }
    return isBridgeThere() ? undefined : this.#findOverlap(); // the bridge itself has routes to them
  }

  #findOverlap(): string | undefined {
    const routes = readHostRoutes();
    for (const subnet of this.#subnets()) {
      const other = routes.find(({ network }) => overlap(network, subnet));
      if (other === undefined) continue;
      const key = subnet.family === 4 ? 'subnet' : 'subnet6';
      const [own, others] = [networkOf(subnet), other.network].map(formatCidr);
      return `network.${key} ${own} overlaps with the host's route to ${others} by ${other.interface}: set another one`;
    }
    return undefined;
  }
}

function isBridgeThere(): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${BRIDGE}`);
}
