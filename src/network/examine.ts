import { readFileSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import { parseCidr } from '../base/ip.ts';
import { silentLog } from '../base/log.ts';
import { Children } from '../linux/children.ts';
import { Nft } from '../linux/nftables.ts';
import { BuiltInNetwork } from './builtin/builtin.ts';
import type { NetworkList } from './cni/config.ts';
import { isObject } from './cni/config.ts';
import { readConfigFolder } from './cni/folder-files.ts';
import { PluginRunner } from './cni/plugin-runner.ts';
import { droppingChains } from './firewall/foreign-chains.ts';

/** One thing that was examined. */
export interface NetworkFinding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly text: string;
  readonly advice?: string;
}

interface Settings {
  readonly conf_dir: string;
  readonly plugin_dirs: readonly string[];
  readonly builtin: boolean;
  readonly subnet: string;
  readonly subnet6: string;
}

const INSTALL_PLUGINS = 'install them: apt-get install containernetworking-plugins';

/** Looks whether pods would get a network on this host. Needs no daemon, and changes nothing. */
export async function examineNetwork(settings: Settings): Promise<NetworkFinding[]> {
  const children = new Children(() => false);
  const runner = new PluginRunner({ children, folders: settings.plugin_dirs, timeoutMs: 0, log: silentLog });
  const content = await readConfigFolder(settings.conf_dir);
  if (content.kind === 'broken') {
    return [error(`Network configuration ${content.file} cannot be used: ${content.why}`, 'correct or remove it')];
  }
  if (content.kind === 'network') {
    const found = [...(await missingPlugins(content.network, runner)), ...(await obstacles(content.network, children))];
    return found.length > 0 ? found : [ok(`Pods get network "${content.network.name}" of ${content.file}`)];
  }
  if (!settings.builtin) return [ok(`Pods get no network: in ${settings.conf_dir}, ${content.why}`)];
  return [await examineBuiltIn(settings, runner, children)];
}

async function examineBuiltIn(
  { subnet, subnet6 }: Settings,
  runner: PluginRunner,
  children: Children,
): Promise<NetworkFinding> {
  const [four, six] = [parseCidr(subnet), parseCidr(subnet6)];
  if (four === undefined || six === undefined) return error('The built-in network has no subnets', 'set them');
  const parts = { subnet: four, subnet6: six, addressFolder: '', runner, children, log: silentLog };
  const network = new BuiltInNetwork(parts);
  await network.examine();
  if (network.trouble === undefined) return ok('Pods get the built-in network');
  return error(`The built-in network cannot be used: ${network.trouble}`, 'see packaging/config.toml, [network]');
}

/** Those of the list, and those that they call for addresses. */
async function missingPlugins({ name, plugins }: NetworkList, runner: PluginRunner): Promise<NetworkFinding[]> {
  const types = plugins.flatMap(({ type, config: { ipam } }) =>
    isObject(ipam) && typeof ipam['type'] === 'string' ? [type, ipam['type']] : [type],
  );
  const findings: NetworkFinding[] = [];
  for (const type of new Set(types)) {
    if ((await runner.find(type)) !== undefined) continue;
    const text = `Network plugin "${type}" of network "${name}" is not in ${runner.folders.join(', ')}`;
    findings.push(error(text, INSTALL_PLUGINS));
  }
  return findings;
}

async function obstacles({ name, plugins }: NetworkList, children: Children): Promise<NetworkFinding[]> {
  const findings: NetworkFinding[] = [];
  if (readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '0') {
    const text = `Network "${name}" is configured, and IPv4 forwarding is off: pods may reach nothing but this host`;
    findings.push(warning(text, 'sysctl -w net.ipv4.ip_forward=1, unless the network sees to it itself'));
  }
  try {
    for (const chain of await droppingChains(new Nft(children))) {
      const text = `Chain "${chain.name}" drops what it has no rule for: pods of network "${name}" may reach nothing`;
      findings.push(warning(text, `let its interfaces pass: nft add rule ${chain.name} iifname NAME accept`));
    }
  } catch (failure) {
    const mapsPorts = plugins.some(({ capabilities }) => capabilities.has('portMappings'));
    if (!mapsPorts && process.getuid?.() === 0) {
      findings.push(warning(`Host ports cannot be forwarded: ${messageOf(failure)}`, 'apt-get install nftables'));
    }
  }
  return findings;
}

function ok(text: string): NetworkFinding {
  return { level: 'ok', text };
}

function warning(text: string, advice: string): NetworkFinding {
  return { level: 'warning', text, advice };
}

function error(text: string, advice: string): NetworkFinding {
  return { level: 'error', text, advice };
}
