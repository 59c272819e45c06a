import { BerthError } from '../../base/errors.ts';
import { formatIp, parseIp } from '../../base/ip.ts';
import type { Children } from '../../linux/children.ts';
import { isPortTaken } from '../../linux/port-probe.ts';
import type { Claim } from './claims.ts';
import { describeClaim, familiesOf } from './claims.ts';

const DEADLINE_MS = 5_000;
const ANY = { 4: '0.0.0.0', 6: '::' } as const;

/**
 * Sees to it that no process of the host uses one of the ports.
 * @throws BerthError AlreadyExists naming the process
 */
export async function assertHostPortsFree(claims: readonly Claim[], children: Children): Promise<void> {
  for (const claim of claims) {
    const taken = addressesOf(claim).find((address) => isPortTaken(claim.protocol, address, claim.hostPort));
    if (taken === undefined) continue;
    const holder = await findHolder(claim, children);
    if (holder === undefined) continue;
    const message = `Cannot use host port ${describeClaim(claim)}: ${holder} has it`;
    throw new BerthError('AlreadyExists', message, { field: 'ports' });
  }
}

function addressesOf({ address }: Claim): string[] {
  return address.kind === 'one' ? [formatIp(address.ip)] : address.families.map((family) => ANY[family]);
}

/**
 * Returns undefined when it is only the near end of a connection that somebody has opened to elsewhere, for which the
 * kernel took this port by chance: such a connection goes on beside a forwarded port.
 */
async function findHolder(claim: Claim, children: Children): Promise<string | undefined> {
  const flag = { tcp: '-t', udp: '-u', sctp: '-S' }[claim.protocol];
  const filter = `sport = :${claim.hostPort}`;
  const list = (what: string) =>
    children.run('ss', ['-H', '-n', '-p', what, flag, filter], { deadlineMs: DEADLINE_MS });
  try {
    const listening = (await list('-l')).stdout.split('\n').filter((line) => isMeant(line, claim));
    if (listening.length > 0) return describeProcess(listening.join('\n'));
    const connected = (await list('-a')).stdout.trim();
    return connected === '' ? 'a process of the host' : undefined;
  } catch {
    return 'a process of the host'; // whose name is not worth a failure of another kind
  }
}

/** Whether a line of `ss` is about an address that the claim is about: `LISTEN 0 128 127.0.0.1:80 0.0.0.0:* …` */
function isMeant(line: string, { address, hostPort }: Claim): boolean {
  const local = line
    .split(/\s+/)[3]
    ?.replace(/:\d+$/, '')
    .replace(/%.*$/, '')
    .replace(/^\[|\]$/g, '');
  if (local === undefined || !line.includes(`:${hostPort} `)) return false;
  if (local === '*') return true; // both families
  const ip = parseIp(local);
  if (ip === undefined || !familiesOf(address).includes(ip.family)) return false;
  return address.kind === 'any' || ip.value === 0n || ip.value === address.ip.value;
}

/** `users:(("nginx",pid=123,fd=6))`; nothing is told of processes that root may not look at. */
function describeProcess(lines: string): string {
  const match = /users:\(\("([^"]*)",pid=(\d+)/.exec(lines);
  return match === null ? 'a process of the host' : `process ${match[1]} (pid ${match[2]})`;
}
