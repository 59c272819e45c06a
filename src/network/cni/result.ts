import { parseCidr } from '../../base/ip.ts';
import type { Cidr } from '../../base/ip.ts';
import type { JsonObject } from './config.ts';
import { isObject, parseJson } from './config.ts';
import { PluginError } from './plugin-error.ts';
import type { CniVersion } from './versions.ts';
import { DEFAULT_VERSION, isAtLeast, isVersion } from './versions.ts';

/**
 * Reads what a plugin printed after ADD.
 * @throws PluginError when it is no result
 * @see CNI SPEC.md, "Section 5: Result Types"
 */
export function readResult(plugin: string, text: string, wanted: CniVersion): JsonObject {
  let result: JsonObject;
  try {
    result = parseJson(text);
  } catch {
    const seen = text.trim() === '' ? 'nothing' : JSON.stringify(text.trim().slice(0, 200));
    throw new PluginError(plugin, undefined, `it printed ${seen} in place of a result`);
  }
  const { cniVersion = DEFAULT_VERSION } = result;
  if (typeof cniVersion !== 'string' || !isVersion(cniVersion)) {
    throw new PluginError(
      plugin,
      undefined,
      `its result is of version ${JSON.stringify(cniVersion)}, which is not known`,
    );
  }
  return convertResult(result, cniVersion, wanted);
}

/** The next plugin gets the result in the version of its configuration, whichever the previous one spoke. */
function convertResult(result: JsonObject, from: CniVersion, to: CniVersion): JsonObject {
  if (form(from) === form(to)) return { ...result, cniVersion: to };
  const modern = form(from) === 'two addresses' ? fromTwoAddresses(result) : result;
  if (form(to) === 'two addresses') return { ...toTwoAddresses(modern), cniVersion: to };
  return { ...withIpVersions(modern, form(to) === 'ip versions'), cniVersion: to };
}

/** The three forms that results have had: `ip4` and `ip6`, `ips` with a version each, `ips` without. */
function form(version: CniVersion): 'two addresses' | 'ip versions' | 'ips' {
  if (isAtLeast(version, '1.0.0')) return 'ips';
  return isAtLeast(version, '0.3.0') ? 'ip versions' : 'two addresses';
}

function withIpVersions(result: JsonObject, isWanted: boolean): JsonObject {
  const ips = listOf(result['ips']).map((ip) => {
    const rest = without(ip, 'version');
    return isWanted ? { version: String(ip['address']).includes(':') ? '6' : '4', ...rest } : rest;
  });
  return { ...result, ips };
}

/** @see CNI SPEC.md of 0.2.0, "Result": ip4 and ip6 have ip, gateway, routes */
function fromTwoAddresses({ ip4, ip6, ...rest }: JsonObject): JsonObject {
  const both = [ip4, ip6].filter(isObject);
  const ips = both.map(({ ip, gateway }) => ({ address: ip, ...(gateway === undefined ? {} : { gateway }) }));
  return { ...rest, ips, routes: both.flatMap(({ routes }) => listOf(routes)) };
}

function toTwoAddresses({ ips, routes, ...rest }: JsonObject): JsonObject {
  const of = (isV6: boolean): JsonObject | undefined => {
    const ip = listOf(ips).find(({ address }) => String(address).includes(':') === isV6);
    if (ip === undefined) return undefined;
    const own = listOf(routes).filter(({ dst }) => String(dst).includes(':') === isV6);
    return { ip: ip['address'], ...('gateway' in ip ? { gateway: ip['gateway'] } : {}), routes: own };
  };
  const [ip4, ip6] = [of(false), of(true)];
  return {
    ...without(rest, 'interfaces'),
    ...(ip4 === undefined ? {} : { ip4 }),
    ...(ip6 === undefined ? {} : { ip6 }),
  };
}

/**
 * The sandbox's own addresses, with their networks, in the order of the result. Those of interfaces outside of the
 * sandbox are left out.
 * @throws PluginError when there is none, or one that is no address
 */
export function sandboxAddresses(plugin: string, result: JsonObject, ifName: string): Cidr[] {
  const modern = 'ip4' in result || 'ip6' in result ? fromTwoAddresses(result) : result;
  const interfaces = listOf(modern['interfaces']);
  const isInside = ({ interface: index }: JsonObject): boolean => {
    const found = typeof index === 'number' ? interfaces[index] : undefined;
    return found === undefined || Boolean(found['sandbox']) || found['name'] === ifName;
  };
  const addresses = listOf(modern['ips'])
    .filter(isInside)
    .map(({ address }) => address);
  if (addresses.length === 0) throw new PluginError(plugin, undefined, 'its result has no IP address for the sandbox');
  return addresses.map((address) => {
    const cidr = typeof address === 'string' ? parseCidr(address) : undefined;
    if (cidr !== undefined) return cidr;
    throw new PluginError(plugin, undefined, `its result has ${JSON.stringify(address)} in place of an IP address`);
  });
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function without(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}
