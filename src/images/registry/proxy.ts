import { BlockList, isIP } from 'node:net';
import { hostName, isLoopback } from './endpoint.ts';
import type { RegistrySettings } from './settings.ts';

/**
 * The proxy for a URL, from HTTP_PROXY or HTTPS_PROXY unless NO_PROXY excludes the host: with `*`, a name with all below
 * it, `.name` for only those below, an address or a network, each with or without a port. Loopback never has one. These
 * are Go's rules, which people know from other engines.
 * @see golang.org/x/net/http/httpproxy, Config
 */
export function proxyFor(url: URL, env: RegistrySettings['env']): string | undefined {
  const proxy = read(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (proxy === undefined || isLoopback(url.host)) return undefined;
  const host = hostName(url.hostname).toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const excluded = (read(env, 'NO_PROXY') ?? '').split(',').map((each) => each.trim().toLowerCase());
  if (excluded.some((each) => each !== '' && excludes(each, host, port))) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function read(env: RegistrySettings['env'], name: string): string | undefined {
  const value = env[name] ?? env[name.toLowerCase()];
  return value === '' ? undefined : value;
}

function excludes(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true;
  const network = /^([0-9a-f.:]+)\/(\d+)$/.exec(rule);
  if (network !== null) return isWithin(host, network[1] ?? '', Number(network[2]));
  const [, name = rule, wantedPort] = /^(.*[^:]|\[.*\]):(\d+)$/.exec(isIP(rule) === 6 ? '' : rule) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const wanted = hostName(isIP(name) === 6 ? `[${name}]` : name).replace(/^\*/, '');
  if (isIP(host) !== 0) return host === wanted;
  return wanted.startsWith('.') ? host.endsWith(wanted) : host === wanted || host.endsWith(`.${wanted}`);
}

function isWithin(host: string, address: string, bits: number): boolean {
  const family = isIP(address);
  if (family === 0 || family !== isIP(host) || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
