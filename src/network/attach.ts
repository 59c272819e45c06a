import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Cidr } from '../base/ip.ts';
import { formatIp } from '../base/ip.ts';
import type { NetworkAttachment, NetworkOrder } from '../engine/ports.ts';
import type { ChosenNetwork } from './choice.ts';
import { cniArgsOf } from './cni/args.ts';
import { capabilityArgsOf } from './cni/capability-args.ts';
import { addAttachment } from './cni/chain.ts';
import { networkError } from './cni/plugin-error.ts';
import { sandboxAddresses } from './cni/result.ts';
import { forwardsOf } from './forwards.ts';
import type { Claim } from './host-ports/claims.ts';
import { describeClaim, familiesOf, readClaims } from './host-ports/claims.ts';
import { assertHostPortsFree } from './host-ports/host-process.ts';
import type { NetworkParts } from './parts.ts';
import type { AttachmentRecord } from './records.ts';
import { forgetFlows } from './stale-flows.ts';

const INTERFACE = 'eth0';

/**
 * Connects a sandbox: host ports are claimed, what will be made is written down, the plugins are called, their result is
 * written down, and host ports are forwarded. After a failure all of it is for `detachSandbox`, but ports that could
 * not be claimed are not held.
 */
export async function attachSandbox(
  parts: NetworkParts,
  order: NetworkOrder,
  signal: AbortSignal,
): Promise<NetworkAttachment> {
  const { sandboxId } = order;
  const action = `attach sandbox "${shortId(sandboxId)}"`;
  try {
    if ((await parts.records.find(sandboxId)).length > 0) {
      throw new BerthError('WrongState', `Cannot ${action}: it is attached already, or was not detached`);
    }
    const chosen = await needNetwork(parts, action);
    const claims = readClaims(order.ports);
    const intent = intentOf(order, chosen);
    await claimPorts(parts, sandboxId, claims);
    await parts.failpoints.hit('network.claim.after');
    return await parts.places.attach.take(() => add(parts, intent, claims, signal), signal);
  } catch (error) {
    throw error instanceof BerthError ? error : networkError(action, error);
  }
}

async function needNetwork(parts: NetworkParts, action: string): Promise<ChosenNetwork> {
  const { choice } = parts;
  if (choice.chosen === undefined) await choice.refresh(); // it may have come just now
  if (choice.chosen !== undefined) return choice.chosen;
  throw new BerthError('Unavailable', `Cannot ${action}: ${choice.trouble ?? 'there is no network'}`);
}

function intentOf(order: NetworkOrder, { network, isBuiltIn }: ChosenNetwork): AttachmentRecord {
  const mapsPorts = network.plugins.some(({ capabilities }) => capabilities.has('portMappings'));
  return {
    network,
    containerId: order.sandboxId,
    ifName: INTERFACE,
    netns: order.netns,
    args: cniArgsOf(order),
    capabilityArgs: capabilityArgsOf(order),
    portsServedBy: mapsPorts ? 'plugins' : 'berth',
    isBuiltIn,
    result: undefined,
  };
}

async function claimPorts(parts: NetworkParts, sandboxId: string, claims: readonly Claim[]): Promise<void> {
  parts.hostPorts.claim(sandboxId, claims);
  try {
    await assertHostPortsFree(claims, parts.children);
  } catch (error) {
    parts.hostPorts.release(sandboxId);
    throw error;
  }
}

async function add(
  parts: NetworkParts,
  intent: AttachmentRecord,
  claims: readonly Claim[],
  signal: AbortSignal,
): Promise<NetworkAttachment> {
  const { failpoints, records, runner, builtIn } = parts;
  await records.save(intent);
  await failpoints.hit('network.intent.after');
  if (intent.isBuiltIn) builtIn.prepare();
  const result = await addAttachment(runner, intent, intent.netns, signal);
  await failpoints.hit('network.add.after');
  await records.save({ ...intent, result });
  await failpoints.hit('network.result.after');
  const addresses = sandboxAddresses(intent.network.plugins.at(-1)?.type ?? '', result, intent.ifName);
  await serve(parts, intent, claims, addresses);
  await failpoints.hit('network.serve.after');
  return { addresses: addresses.map(formatIp) };
}

/** What the plugins leave to us: the world for the built-in network, and host ports that nobody else forwards. */
async function serve(
  { builtIn, firewall, children, log }: NetworkParts,
  { containerId, isBuiltIn, portsServedBy }: AttachmentRecord,
  claims: readonly Claim[],
  addresses: readonly Cidr[],
): Promise<void> {
  if (isBuiltIn) {
    builtIn.finish();
    firewall.serveSubnets(addresses);
  }
  const own = portsServedBy === 'berth' ? claims : [];
  const forwards = forwardsOf(own, addresses, isBuiltIn);
  firewall.setForwards(containerId, forwards);
  if (isBuiltIn || forwards.length > 0) await firewall.settle();
  if (forwards.length > 0) await forgetFlows(own, children, log);
  for (const claim of own) {
    if (addresses.some(({ family }) => familiesOf(claim.address).includes(family))) continue;
    const fields = { sandbox: containerId, port: describeClaim(claim) };
    log.warn('a host port leads nowhere: the sandbox has no address of its kind', fields);
  }
}
