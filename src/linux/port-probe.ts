import { isIPv6 } from 'node:net';
import { BerthError, errnoOf } from '../base/errors.ts';
import { ipBytes, parseIp } from '../base/ip.ts';
import { bind, close, setSocketOption, socket } from './abi.ts';

export type TransportProtocol = 'tcp' | 'udp' | 'sctp';

const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SOCKETS = { tcp: { type: 1, number: 6 }, udp: { type: 2, number: 17 }, sctp: { type: 1, number: 132 } } as const;

/**
 * Whether somebody in this network namespace holds the port: it is bound for a moment, as a server would bind it.
 * - TCP and SCTP with SO_REUSEADDR, so that what is left of closed connections does not count and a listener does; UDP
 *   without it, because there it would let two servers share the port.
 * - IPv6 addresses stand for themselves, not for IPv4 as well.
 * - An address that is not the host's (yet), and a protocol that the kernel does not have, are held by nobody.
 */
export function isPortTaken(protocol: TransportProtocol, address: string, port: number): boolean {
  const { type, number } = SOCKETS[protocol];
  let fd: number | undefined;
  try {
    fd = socket(isIPv6(address) ? AF_INET6 : AF_INET, type, number);
    if (protocol !== 'udp') setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (isIPv6(address)) setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bind(fd, socketAddress(address, port));
    return false;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EADDRINUSE') return true;
    if (errno !== undefined && NOBODY.has(errno)) return false;
    throw error;
  } finally {
    if (fd !== undefined) close(fd);
  }
}

const NOBODY = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT']);

/** @see ip(7), ipv6(7): struct sockaddr_in, struct sockaddr_in6 */
function socketAddress(address: string, port: number): Buffer {
  const ip = parseIp(address);
  if (ip === undefined) throw new BerthError('InvalidArgument', `Cannot bind to "${address}": it is no IP address`);
  const bytes = ipBytes(ip);
  const isV6 = bytes.length === 16;
  const data = Buffer.alloc(isV6 ? 28 : 16);
  data.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0);
  data.writeUInt16BE(port, 2);
  bytes.copy(data, isV6 ? 8 : 4);
  return data;
}
