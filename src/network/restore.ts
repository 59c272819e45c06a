import { messageOf } from '../base/errors.ts';
import type { RestoredNetwork } from '../engine/ports.ts';
import { collectGarbage } from './cni/chain.ts';
import { sandboxAddresses } from './cni/result.ts';
import { forwardsOf } from './forwards.ts';
import { readClaims } from './host-ports/claims.ts';
import type { NetworkParts } from './parts.ts';
import type { AttachmentRecord, BrokenRecord } from './records.ts';

/**
 * Takes over what an earlier daemon attached: the host ports of sandboxes that live, and the table in the kernel, which
 * loses whatever belongs to others. What goes wrong with one sandbox is told, and keeps nothing from the others.
 */
export async function restoreSandboxes(parts: NetworkParts, sandboxes: readonly RestoredNetwork[]): Promise<void> {
  const { builtIn, firewall } = parts;
  const all = await parts.records.all();
  for (const sandbox of sandboxes) {
    const record = all.find(({ containerId }) => containerId === sandbox.sandboxId);
    try {
      restoreOne(parts, sandbox, record);
    } catch (error) {
      const fields = { sandbox: sandbox.sandboxId, error: messageOf(error) };
      parts.log.error('the network of a sandbox cannot be taken over', fields);
    }
  }
  if (all.some(({ isBuiltIn }) => isBuiltIn)) builtIn.takeOver();
  else await builtIn.remove();
  await firewall.takeOver();
  collectStale(parts, all).catch((error: unknown) => {
    parts.log.warn('network plugins could not clean up', { error: messageOf(error) });
  });
}

function restoreOne(
  { hostPorts, firewall, log }: NetworkParts,
  { sandboxId, ports }: RestoredNetwork,
  record: AttachmentRecord | BrokenRecord | undefined,
): void {
  const claims = readClaims(ports);
  hostPorts.restore(sandboxId, claims);
  if (record === undefined || 'why' in record || record.result === undefined) {
    log.warn('nothing is known of how a sandbox was attached', { sandbox: sandboxId });
    return;
  }
  const addresses = sandboxAddresses('', record.result, record.ifName);
  if (record.isBuiltIn) firewall.serveSubnets(addresses);
  if (record.portsServedBy === 'berth') {
    firewall.setForwards(sandboxId, forwardsOf(claims, addresses, record.isBuiltIn));
  }
}

/** Everything that is on record is valid: what no sandbox owns is for whoever asks `find`. */
async function collectStale(
  { choice, runner }: NetworkParts,
  all: readonly (AttachmentRecord | BrokenRecord)[],
): Promise<void> {
  const { chosen } = choice;
  if (chosen === undefined) return;
  const valid = all.map((record) => ({ containerID: record.containerId, ifname: record.ifName }));
  await collectGarbage(runner, chosen.network, valid);
}
