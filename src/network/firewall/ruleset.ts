import type { Cidr, Ip } from '../../base/ip.ts';
import { formatCidr, formatIp, networkOf } from '../../base/ip.ts';
import type { TransportProtocol } from '../../linux/port-probe.ts';

/** The bridge of the built-in network. */
export const BRIDGE = 'berth0';
export const TABLE = 'inet berth';

/** A host port and where its packets go. */
export interface Forward {
  readonly protocol: TransportProtocol;
  /** Undefined: every address of the host. */
  readonly hostIp: Ip | undefined;
  readonly hostPort: number;
  /** The sandbox's address, and the network that it shares with its neighbours. */
  readonly to: Cidr;
  readonly toPort: number;
  /** Also from the host's loopback addresses: the kernel lets their packets out to our own bridge only. */
  readonly isOnBridge: boolean;
}

/** What the table has to hold, beside its fixed part. */
export interface TableContent {
  /** Networks behind the bridge, whose sandboxes reach the world under the host's address. */
  readonly subnets: readonly Cidr[];
  readonly forwards: readonly Forward[];
}

/**
 * The fixed part of the table, replaced as a whole.
 * - `host-ports` decides by the most particular key: address, protocol and port, then protocol and port.
 * - Who is not the host sees 127.0.0.0/8 in no packet of ours: `route_localnet`, which lets the host's own loopback
 *   traffic out to the bridge, would let a sandbox in by the same way.
 * - `::1` is left alone: the kernel has nothing like `route_localnet` for it.
 * - A sandbox that asks for a host port of its neighbour, or of itself, must hear the answer from the host that it
 *   asked: `near4` and `near6` pair each network with the addresses in it that have host ports.
 * - From outside, only what was forwarded here gets to the bridge.
 */
export const FIXED_PART = `
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  set subnets4 { type ipv4_addr; flags interval; }
  set subnets6 { type ipv6_addr; flags interval; }
  map at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map loopback4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set near4 { type ipv4_addr . ipv4_addr; flags interval; }
  set near6 { type ipv6_addr . ipv6_addr; flags interval; }

  chain host-ports {
    ip6 daddr ::1 return
    dnat ip to ip daddr . meta l4proto . th dport map @at4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6
    ip daddr 127.0.0.0/8 dnat ip to meta l4proto . th dport map @loopback4
    ip daddr 127.0.0.0/8 return
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any4
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @any6
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname "${BRIDGE}" ip daddr 127.0.0.0/8 drop
    iifname "${BRIDGE}" ip saddr 127.0.0.0/8 drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump host-ports
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump host-ports
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname "${BRIDGE}" masquerade
    ct status dnat ip saddr . ip daddr @near4 masquerade
    ct status dnat ip6 saddr . ip6 daddr @near6 masquerade
    ip daddr 224.0.0.0/4 return
    ip6 daddr ff00::/8 return
    ip saddr @subnets4 oifname != "${BRIDGE}" masquerade
    ip6 saddr @subnets6 oifname != "${BRIDGE}" masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname != "${BRIDGE}" accept
    iifname "${BRIDGE}" accept
    ct state established,related accept
    ct status dnat accept
    drop
  }
}
`;

/** The elements of each set and map of the table, as nft reads them; of a map with ` : ` between key and value. */
export type Elements = Readonly<Record<SetName, ReadonlySet<string>>>;

type SetName = (typeof SET_NAMES)[number];

const SET_NAMES = ['subnets4', 'subnets6', 'at4', 'at6', 'loopback4', 'any4', 'any6', 'near4', 'near6'] as const;
const MAP_NAMES: ReadonlySet<SetName> = new Set(['at4', 'at6', 'loopback4', 'any4', 'any6']);

export function elementsOf({ subnets, forwards }: TableContent): Elements {
  const sets = noElements();
  for (const subnet of subnets) sets[subnet.family === 4 ? 'subnets4' : 'subnets6'].add(formatCidr(networkOf(subnet)));
  for (const { protocol, hostIp, hostPort, to, toPort, isOnBridge } of forwards) {
    const isV4 = to.family === 4;
    const rule = `${protocol} . ${hostPort} : ${formatIp(to)} . ${toPort}`;
    if (hostIp !== undefined) sets[isV4 ? 'at4' : 'at6'].add(`${formatIp(hostIp)} . ${rule}`);
    else sets[isV4 ? 'any4' : 'any6'].add(rule);
    if (hostIp === undefined && isV4 && isOnBridge) sets.loopback4.add(rule);
    sets[isV4 ? 'near4' : 'near6'].add(`${formatCidr(networkOf(to))} . ${formatIp(to)}`);
  }
  return sets;
}

export function noElements(): Record<SetName, Set<string>> {
  return Object.fromEntries(SET_NAMES.map((name) => [name, new Set()])) as Record<SetName, Set<string>>;
}

/** Takes out all that there is, whatever it is. */
export function flushRules(): string {
  return SET_NAMES.map((name) => `flush ${MAP_NAMES.has(name) ? 'map' : 'set'} ${TABLE} ${name}\n`).join('');
}

/** From the one content to the other; empty when they are the same. */
export function changeRules(from: Elements, to: Elements): string {
  return SET_NAMES.map((name) => {
    const removed = [...from[name].difference(to[name])];
    const added = [...to[name].difference(from[name])];
    return elementRule('delete', name, removed) + elementRule('add', name, added);
  }).join('');
}

function elementRule(verb: 'add' | 'delete', name: SetName, elements: readonly string[]): string {
  return elements.length === 0 ? '' : `${verb} element ${TABLE} ${name} { ${elements.join(', ')} }\n`;
}
