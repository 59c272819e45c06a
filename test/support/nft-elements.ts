import { sh } from './private-host.ts';

interface Concatenation {
  readonly concat: readonly (string | number)[];
}

/** The host ports that berth's table in the kernel forwards, in order: `8080/tcp`, `127.0.0.1:8080/udp`. */
export function forwardedPorts(): string[] {
  const ports = ['any4', 'any6', 'at4', 'at6'].flatMap((name) => keysOf(name).map((key) => describe(name, key)));
  return [...new Set(ports)].toSorted();
}

function keysOf(map: string): (readonly (string | number)[])[] {
  const text = sh(`nft -j list map inet berth ${map} 2>/dev/null || echo '{ "nftables": [] }'`);
  const { nftables } = JSON.parse(text) as {
    readonly nftables: readonly { readonly map?: { readonly elem?: readonly (readonly [Concatenation, unknown])[] } }[];
  };
  return nftables.flatMap(({ map: found }) => (found?.elem ?? []).map(([{ concat }]) => concat));
}

/** The address families of a port on every address are not told apart when both are there. */
function describe(map: string, key: readonly (string | number)[]): string {
  const [protocol, port] = key.slice(-2);
  const address = map.startsWith('at') ? `${map.endsWith('6') ? `[${key[0]}]` : key[0]}:` : '';
  return `${address}${port}/${protocol}`;
}
