import { BerthError } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { Ip } from '../../base/ip.ts';
import { formatIp, parseIp } from '../../base/ip.ts';
import type { PortMapping } from '../../engine/sandbox/state.ts';

/** A host port that a sandbox wants or has. */
export interface Claim {
  readonly protocol: PortMapping['protocol'];
  readonly hostPort: number;
  readonly toPort: number;
  /** `any`: every address, or every one of its family. */
  readonly address: ClaimAddress;
}

export type ClaimAddress =
  | { readonly kind: 'any'; readonly families: readonly (4 | 6)[] }
  | { readonly kind: 'one'; readonly ip: Ip };

/**
 * Reads the port mappings of a sandbox. Those without a host port ask for nothing here; the same one twice is one.
 * @throws BerthError InvalidArgument
 */
export function readClaims(ports: readonly PortMapping[]): Claim[] {
  const claims: Claim[] = [];
  for (const port of ports.filter(({ hostPort }) => hostPort > 0)) {
    const claim = readClaim(port);
    const rival = claims.find((each) => collide(each, claim));
    if (rival === undefined) claims.push(claim);
    else if (rival.toPort !== claim.toPort || describeClaim(rival) !== describeClaim(claim)) {
      const message = `Cannot use host port ${describeClaim(claim)}: the same sandbox uses it as ${describeClaim(rival)} for port ${rival.toPort}`;
      throw new BerthError('InvalidArgument', message, { field: 'ports' });
    }
  }
  return claims;
}

function readClaim({ protocol, hostPort, containerPort, hostIp = '' }: PortMapping): Claim {
  for (const port of [hostPort, containerPort]) {
    if (Number.isInteger(port) && port > 0 && port < 65_536) continue;
    throw new BerthError('InvalidArgument', `Cannot use port ${port}: must be from 1 to 65535`, { field: 'ports' });
  }
  return { protocol, hostPort, toPort: containerPort, address: readAddress(hostIp) };
}

function readAddress(hostIp: string): ClaimAddress {
  if (hostIp === '') return { kind: 'any', families: [4, 6] };
  const ip = parseIp(hostIp);
  if (ip === undefined) {
    throw new BerthError('InvalidArgument', `Cannot use host address "${hostIp}": it is no IP address`, {
      field: 'ports',
    });
  }
  return ip.value === 0n ? { kind: 'any', families: [ip.family] } : { kind: 'one', ip };
}

export function collide(a: Claim, b: Claim): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort) return false;
  const [left, right] = [a.address, b.address];
  if (left.kind === 'any' || right.kind === 'any') {
    return familiesOf(left).some((family) => familiesOf(right).includes(family));
  }
  return left.ip.family === right.ip.family && left.ip.value === right.ip.value;
}

export function familiesOf(address: ClaimAddress): readonly (4 | 6)[] {
  return address.kind === 'any' ? address.families : [address.ip.family];
}

/** `8080/tcp`, `192.0.2.1:8080/tcp`, `[::]:8080/tcp` */
export function describeClaim({ protocol, hostPort, address }: Claim): string {
  const port = `${hostPort}/${protocol}`;
  if (address.kind === 'one') return `${inUrl(address.ip)}:${port}`;
  if (address.families.length > 1) return port;
  return address.families.includes(4) ? `0.0.0.0:${port}` : `[::]:${port}`;
}

function inUrl(ip: Ip): string {
  return ip.family === 4 ? formatIp(ip) : `[${formatIp(ip)}]`;
}

/** Who has which host port. In memory alone: what was there before a restart is told by `restore`. */
export class HostPorts {
  readonly #claims = new Map<string, readonly Claim[]>();

  /**
   * All of them or, if one is taken, none.
   * @throws BerthError AlreadyExists naming the holder
   */
  claim(sandboxId: string, claims: readonly Claim[]): void {
    for (const claim of claims) {
      const holder = this.#holderOf(claim, sandboxId);
      if (holder === undefined) continue;
      const message = `Cannot use host port ${describeClaim(claim)}: sandbox "${shortId(holder)}" has it`;
      throw new BerthError('AlreadyExists', message, { field: 'ports' });
    }
    this.restore(sandboxId, claims);
  }

  /** For those that are in use already, whatever else there is. */
  restore(sandboxId: string, claims: readonly Claim[]): void {
    if (claims.length > 0) this.#claims.set(sandboxId, claims);
  }

  release(sandboxId: string): void {
    this.#claims.delete(sandboxId);
  }

  of(sandboxId: string): readonly Claim[] {
    return this.#claims.get(sandboxId) ?? [];
  }

  holders(): string[] {
    return [...this.#claims.keys()];
  }

  #holderOf(claim: Claim, except: string): string | undefined {
    for (const [holder, claims] of this.#claims) {
      if (holder !== except && claims.some((each) => collide(each, claim))) return holder;
    }
    return undefined;
  }
}
