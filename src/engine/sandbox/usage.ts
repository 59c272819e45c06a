import { Pace } from '../../base/pace.ts';
import type { InterfaceUsage } from '../../base/usage.ts';
import type { ContainerActor } from '../container/actor.ts';
import type { CreateParts } from '../container/create.ts';
import { isLive } from '../container/state.ts';
import { withCores } from '../container/usage.ts';
import type { ContainerUsage } from '../container/usage.ts';
import type { CpuRates } from '../cpu-rates.ts';
import { runtimeNamed, runtimeOf } from '../parts.ts';
import type { RunUsage } from '../ports.ts';
import { isPrivate } from './actor.ts';
import type { SandboxActor } from './actor.ts';

export interface SandboxUsage extends ContainerUsage {
  /** Of its own network, without the loopback; undefined in the host's. */
  readonly interfaces: readonly InterfaceUsage[] | undefined;
  /** The cgroup that it has for itself; undefined: what it uses is the sum of what its containers use. */
  readonly cgroup: string | undefined;
}

/** What sandboxes use, by their ids; one that is not ready uses nothing. */
export async function usagesOfSandboxes(
  isWanted: (sandbox: SandboxActor) => boolean,
  parts: CreateParts,
  rates: CpuRates,
): Promise<ReadonlyMap<string, SandboxUsage>> {
  const ready = parts.sandboxes.all().filter((sandbox) => sandbox.state.phase === 'ready' && !isPrivate(sandbox));
  const wanted = ready.filter(isWanted);
  const pins = wanted.flatMap(({ pins: { net } }) => (net === undefined ? [] : [net]));
  const networks = await parts.namespaces.networkUsages(pins);
  const members = Map.groupBy(parts.containers.all(), ({ spec }) => spec.sandboxId);
  const parents = Map.groupBy(ready, ({ spec }) => spec.cgroupParent);
  const pace = new Pace();
  const found = new Map<string, SandboxUsage>();
  for (const sandbox of wanted) {
    await pace.breathe();
    const {
      id,
      spec,
      pins: { net },
    } = sandbox;
    const cgroup = parents.get(spec.cgroupParent)?.length === 1 ? spec.cgroupParent : undefined;
    const own = cgroup === undefined ? undefined : runtimeNamed(parts, spec.handler).usageOfCgroup(cgroup);
    const usage = withCores(sandbox, own ?? sumOf(members.get(id) ?? [], parts), parts, rates);
    const interfaces = net === undefined ? undefined : networks.get(net);
    found.set(id, { ...usage, interfaces, cgroup: own === undefined ? undefined : cgroup });
  }
  return found;
}

const SUMMED = [
  'cpuNs',
  'workingSetBytes',
  'usageBytes',
  'rssBytes',
  'pageFaults',
  'majorPageFaults',
  'swapBytes',
  'processes',
] as const;

/**
 * What there is no cgroup for is the sum of what lives in it. A container that has ended takes what it has used along,
 * so such a sum may become smaller.
 */
function sumOf(members: readonly ContainerActor[], parts: CreateParts): RunUsage {
  const usages = members.flatMap((actor) => {
    const { state, spec } = actor;
    const usage = isLive(state) ? runtimeOf(parts, spec).usage(actor.run(state.run.number)) : undefined;
    return usage === undefined ? [] : [usage];
  });
  const sums = SUMMED.map((field): [string, number] => [
    field,
    usages.reduce((sum, usage) => sum + (usage[field] ?? 0), 0),
  ]);
  return { at: parts.clock.wall(), ...Object.fromEntries(sums) };
}
