import { statfs } from 'node:fs/promises';
import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { removeAttachment } from './cni/chain.ts';
import { networkError } from './cni/plugin-error.ts';
import { endLeftoverPlugins } from './leftover-plugins.ts';
import type { NetworkParts } from './parts.ts';
import type { AttachmentRecord, BrokenRecord } from './records.ts';
import { forgetFlows } from './stale-flows.ts';

/** What a namespace's file is on. @see linux/magic.h */
const NSFS_MAGIC = 0x6e736673;
const PROC_SUPER_MAGIC = 0x9fa0;

/**
 * Disconnects a sandbox by what was written down for it. Its host ports are forwarded no more and free again before any
 * plugin is called; where plugins forward them, they are free when those have been called, whatever they say.
 */
export async function detachSandbox(parts: NetworkParts, sandboxId: string, netns: string | undefined): Promise<void> {
  const failures: unknown[] = [];
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.push(error);
    }
  };
  try {
    await attempt(() => stopForwarding(parts, sandboxId));
    await attempt(async () => {
      const records = await parts.records.find(sandboxId);
      const areForwardedByPlugins = records.some((record) => !('why' in record) && record.portsServedBy === 'plugins');
      if (!areForwardedByPlugins) parts.hostPorts.release(sandboxId);
      for (const record of records) {
        await attempt(() => parts.places.detach.take(() => removeOne(parts, record, netns)));
      }
    });
  } finally {
    parts.hostPorts.release(sandboxId);
  }
  if (failures.length > 0) throw detachError(sandboxId, failures[0]);
}

async function stopForwarding({ firewall, hostPorts, children, log }: NetworkParts, sandboxId: string): Promise<void> {
  if (!firewall.setForwards(sandboxId, [])) return;
  await firewall.settle();
  await forgetFlows(hostPorts.of(sandboxId), children, log);
}

async function removeOne(
  parts: NetworkParts,
  record: AttachmentRecord | BrokenRecord,
  netns: string | undefined,
): Promise<void> {
  const { failpoints, records, runner } = parts;
  const known = 'why' in record ? guess(parts, record) : record;
  if (known !== undefined) {
    const types = known.network.plugins.map(({ type }) => type);
    if (known.result === undefined) await endLeftoverPlugins(known.containerId, types);
    await removeAttachment(runner, known, await ifThere(netns), known.result);
  }
  await failpoints.hit('network.delete.after');
  await records.remove(record);
}

/** What an attachment must have been whose record cannot be read: one of the present network, if that has its name. */
function guess(
  { choice, log }: NetworkParts,
  { file, containerId, ifName }: BrokenRecord,
): AttachmentRecord | undefined {
  const { chosen } = choice;
  if (chosen === undefined || !file.startsWith(`${chosen.network.name}-${containerId}-`)) {
    log.warn('nothing is known of how a sandbox was attached, so no plugin can take it back', { file });
    return undefined;
  }
  return {
    ...chosen,
    containerId,
    ifName,
    netns: '',
    args: [['IgnoreUnknown', '1']],
    capabilityArgs: {},
    portsServedBy: 'plugins',
    result: undefined,
  };
}

/** A pin that was taken away, or a file in its place, is no namespace: then plugins are told that there is none. */
async function ifThere(netns: string | undefined): Promise<string> {
  if (netns === undefined) return '';
  try {
    const { type } = await statfs(netns);
    return type === NSFS_MAGIC || type === PROC_SUPER_MAGIC ? netns : '';
  } catch {
    return ''; // somebody took it away
  }
}

function detachError(sandboxId: string, error: unknown): BerthError {
  return error instanceof BerthError ? error : networkError(`detach sandbox "${shortId(sandboxId)}"`, error);
}
