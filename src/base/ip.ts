import { isIPv4, isIPv6 } from 'node:net';

/** An IP address as a number of 32 or 128 bits. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A network, or an address and the network that it is in: `10.1.2.3/16`. */
export interface Cidr extends Ip {
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Returns undefined for what is no address. A zone (`%eth0`) is none. */
export function parseIp(text: string): Ip | undefined {
  if (isIPv4(text)) return { family: 4, value: joinNumbers(text.split('.').map(Number), 8n) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = withoutDots(text).split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0);
  return { family: 6, value: joinNumbers([...front, ...zeros, ...back], 16n) };
}

/** Returns undefined for what is no address with a prefix length. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefix)) return undefined;
  return Number(prefix) > BITS[ip.family] ? undefined : { ...ip, prefix: Number(prefix) };
}

/** IPv6 without leading zeros and with the first longest run of zeros left out. @see RFC 5952 */
export function formatIp({ family, value }: Ip): string {
  if (family === 4) return splitNumber(value, 4, 8n).join('.');
  const words = splitNumber(value, 8, 16n).map((word) => word.toString(16));
  const runs = [...words.join(':').matchAll(/\b0(?::0)+\b/g)].map(([run]) => run);
  const longest = runs.toSorted((a, b) => b.length - a.length)[0];
  if (longest === undefined) return words.join(':');
  const text = words.join(':');
  const at = text.search(new RegExp(`\\b${longest}\\b`));
  const [left, right] = [text.slice(0, at), text.slice(at + longest.length)];
  return `${left.replace(/:$/, '')}::${right.replace(/^:/, '')}`;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr)}/${cidr.prefix}`;
}

/** The network without the address in it: `10.1.0.0/16`. */
export function networkOf({ family, value, prefix }: Cidr): Cidr {
  const host = BigInt(BITS[family] - prefix);
  return { family, value: (value >> host) << host, prefix };
}

/** Whether there is an address that is in both. */
export function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const host = BigInt(BITS[a.family] - Math.min(a.prefix, b.prefix));
  return a.value >> host === b.value >> host;
}

/** In the order in which they are sent. */
export function ipBytes({ family, value }: Ip): Buffer {
  return Buffer.from(splitNumber(value, BITS[family] / 8, 8n));
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** The last two groups of an IPv6 address may be written as an IPv4 address. */
function withoutDots(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
}

function joinNumbers(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}

function splitNumber(value: bigint, count: number, bits: bigint): number[] {
  const mask = (1n << bits) - 1n;
  return Array.from({ length: count }, (_, index) => Number((value >> (bits * BigInt(count - 1 - index))) & mask));
}
