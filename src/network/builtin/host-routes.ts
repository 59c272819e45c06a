import { readFileSync } from 'node:fs';
import type { Cidr } from '../../base/ip.ts';
import { parseIp } from '../../base/ip.ts';
import { isMissing } from '../../base/errors.ts';

/** A network that the host has a way to. */
export interface HostRoute {
  readonly network: Cidr;
  readonly interface: string;
}

/** The routes of the main table but the default ones. procfs answers from memory, so it is read at once. */
export function readHostRoutes(): HostRoute[] {
  const four = linesOf('/proc/self/net/route').slice(1).flatMap(parseRoute4);
  return [...four, ...linesOf('/proc/self/net/ipv6_route').flatMap(parseRoute6)];
}

/** `eth0 0002000A 00000000 0001 0 0 0 00FFFFFF …`: addresses have their last byte first. @see kernel net/ipv4/fib_trie.c, fib_route_seq_show */
function parseRoute4(line: string): HostRoute[] {
  const [name, destination = '', , , , , , mask = ''] = line.split(/\s+/);
  if (name === undefined || mask === '' || mask === '00000000') return [];
  const value = BigInt(`0x${swapBytes(destination)}`);
  const prefix = BigInt(`0x${swapBytes(mask)}`)
    .toString(2)
    .replaceAll('0', '').length;
  return [{ network: { family: 4, value, prefix }, interface: name }];
}

/** `fd000000000000000000000000000000 40 … eth0`: destination and prefix length. @see kernel net/ipv6/route.c, rt6_info_route */
function parseRoute6(line: string): HostRoute[] {
  const words = line.trim().split(/\s+/);
  const [destination = '', length = ''] = words;
  const name = words.at(-1);
  const ip = parseIp(destination.replace(/(.{4})(?=.)/g, '$1:'));
  if (name === undefined || ip === undefined || Number.parseInt(length, 16) === 0) return [];
  return [{ network: { ...ip, prefix: Number.parseInt(length, 16) }, interface: name }];
}

function swapBytes(hex: string): string {
  return (hex.match(/../g) ?? []).toReversed().join('');
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
  } catch (error) {
    if (isMissing(error)) return []; // a kernel without IPv6
    throw error;
  }
}
