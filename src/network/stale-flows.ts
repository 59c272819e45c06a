import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Children } from '../linux/children.ts';
import type { Claim } from './host-ports/claims.ts';

const DEADLINE_MS = 10_000;

/**
 * Makes the kernel forget the UDP flows to host ports whose target has changed. It remembers where a flow goes for as
 * long as its packets keep coming, so a client that does not change its port would never reach the new target.
 */
export async function forgetFlows(claims: readonly Claim[], children: Children, log: Log): Promise<void> {
  const ports = new Set(claims.filter(({ protocol }) => protocol === 'udp').map(({ hostPort }) => hostPort));
  for (const port of ports) {
    for (const family of ['ipv4', 'ipv6']) {
      const args = ['-D', '-f', family, '-p', 'udp', '--orig-port-dst', String(port)];
      try {
        await children.run('conntrack', args, { deadlineMs: DEADLINE_MS }); // 1 when there is none
      } catch (error) {
        log.warn('old UDP flows to a host port may go on', { port, error: messageOf(error) });
        return;
      }
    }
  }
}
