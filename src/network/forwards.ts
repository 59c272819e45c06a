import type { Cidr } from '../base/ip.ts';
import type { Forward } from './firewall/ruleset.ts';
import type { Claim } from './host-ports/claims.ts';
import { familiesOf } from './host-ports/claims.ts';

/** Where the packets of a sandbox's host ports go: to its first address of each family that the port has. */
export function forwardsOf(claims: readonly Claim[], addresses: readonly Cidr[], isOnBridge: boolean): Forward[] {
  return claims.flatMap(({ protocol, hostPort, toPort, address }) =>
    familiesOf(address).flatMap((family) => {
      const to = addresses.find((each) => each.family === family);
      const hostIp = address.kind === 'one' ? address.ip : undefined;
      return to === undefined ? [] : [{ protocol, hostIp, hostPort, to, toPort, isOnBridge }];
    }),
  );
}
