import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { errnoOf, isMissing } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { BRIDGE } from '../firewall/ruleset.ts';

const IPV4 = '/proc/sys/net/ipv4';
const IPV6 = '/proc/sys/net/ipv6/conf';

/** Whether interfaces that come up now get IPv6. */
export function hasIpv6(): boolean {
  return ['all', 'default'].every((name) => readSetting(`${IPV6}/${name}/disable_ipv6`) === '0');
}

/** Lets the host pass packets on between its interfaces, without which no sandbox reaches anything but the host. */
export function switchForwardingOn(families: readonly (4 | 6)[], log: Log): void {
  if (families.includes(4) && readSetting(`${IPV4}/ip_forward`) === '0') {
    writeFileSync(`${IPV4}/ip_forward`, '1');
    log.info('IPv4 forwarding is switched on for the built-in network', { setting: 'net.ipv4.ip_forward' });
  }
  if (families.includes(6) && readSetting(`${IPV6}/all/forwarding`) === '0') {
    const kept = keepAdvertisements();
    writeFileSync(`${IPV6}/all/forwarding`, '1');
    const settings = { setting: 'net.ipv6.conf.all.forwarding', acceptRa2: kept };
    log.info('IPv6 forwarding is switched on for the built-in network', settings);
  }
}

/**
 * A host that forwards no longer listens to router advertisements, unless told to listen all the same (2): it would
 * lose its own default route.
 * @see kernel Documentation/networking/ip-sysctl.rst, accept_ra
 */
function keepAdvertisements(): string[] {
  const listening = readdirSync(IPV6).filter((name) => readSetting(`${IPV6}/${name}/accept_ra`) === '1');
  const real = listening.filter((name) => name !== 'all' && name !== 'default' && name !== 'lo' && name !== BRIDGE);
  for (const name of real) writeFileSync(`${IPV6}/${name}/accept_ra`, '2');
  return real;
}

/**
 * The bridge lets packets of the host's own loopback addresses out, so that host ports are reached by them, and learns
 * no routes from sandboxes. Called when the bridge is there; it may have been made anew.
 */
export function setUpBridge(): void {
  setTo(`${IPV4}/conf/${BRIDGE}/route_localnet`, '1');
  setTo(`${IPV6}/${BRIDGE}/accept_ra`, '0');
}

function setTo(file: string, value: string): void {
  const present = readSetting(file);
  if (present !== undefined && present !== value) writeFileSync(file, value);
}

/** Returns undefined when there is no such setting, because there is no such interface or protocol. */
function readSetting(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}
