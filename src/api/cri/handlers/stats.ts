import { Pace } from '../../../base/pace.ts';
import type { ContainerView } from '../../../engine/index.ts';
import type {
  ContainerStats,
  ContainerStatsFilter,
  ContainerStatsRequest,
  ContainerStatsResponse,
  ListContainerStatsRequest,
  ListContainerStatsResponse,
  ListPodSandboxStatsRequest,
  ListPodSandboxStatsResponse,
  PodSandboxStats,
  PodSandboxStatsFilter,
  PodSandboxStatsRequest,
  PodSandboxStatsResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import type { CriEngine, SandboxView } from '../engine-door.ts';
import { filterContainers, filterSandboxes } from '../filters.ts';
import { containers, findContainer, findSandbox, sandboxes } from '../find.ts';
import { podSandboxStats } from '../from-state/sandbox-stats.ts';
import { containerStats } from '../from-state/stats.ts';

export async function containerStatsOf(
  { containerId }: ContainerStatsRequest,
  { engine }: Call,
): Promise<ContainerStatsResponse> {
  const found = findContainer(engine, containerId);
  const [stats] = await statsOf(engine, [found]);
  return { stats: stats ?? containerStats(found.row, undefined, undefined) };
}

export async function listContainerStats(
  { filter }: ListContainerStatsRequest,
  { engine }: Call,
): Promise<ListContainerStatsResponse> {
  return { stats: await containerStatsFor(filter, engine) };
}

/** Of those that run. One that ends meanwhile is left out. */
export function containerStatsFor(
  filter: ContainerStatsFilter | undefined,
  engine: CriEngine,
): Promise<ContainerStats[]> {
  return statsOf(engine, filterContainers(containers(engine), { filter, sandboxes: sandboxes(engine) }));
}

export async function podSandboxStatsOf(
  { podSandboxId }: PodSandboxStatsRequest,
  { engine }: Call,
): Promise<PodSandboxStatsResponse> {
  const found = findSandbox(engine, podSandboxId);
  const [stats] = await podStatsOf(engine, [found]);
  return { stats: stats ?? podSandboxStats(found.row, undefined, []) };
}

export async function listPodSandboxStats(
  { filter }: ListPodSandboxStatsRequest,
  { engine }: Call,
): Promise<ListPodSandboxStatsResponse> {
  return { stats: await podSandboxStatsFor(filter, engine) };
}

/** Of those that are ready. One that is stopped meanwhile is left out. */
export function podSandboxStatsFor(
  filter: PodSandboxStatsFilter | undefined,
  engine: CriEngine,
): Promise<PodSandboxStats[]> {
  return podStatsOf(engine, filterSandboxes(sandboxes(engine), filter));
}

async function statsOf(engine: CriEngine, found: readonly ContainerView[]): Promise<ContainerStats[]> {
  const live = found.filter(({ row: { state } }) => state.phase === 'running' || state.phase === 'paused');
  if (live.length === 0) return [];
  const { path: filesystem } = await engine.imageStorage();
  const layers = await engine.containers.snapshotUsages(live.map(({ row }) => row.spec.id));
  const pace = new Pace();
  const stats: ContainerStats[] = [];
  for (const { row } of live) {
    await pace.breathe();
    const usage = engine.containers.usage(row.spec.id);
    const layer = layers.get(row.spec.id);
    if (usage !== undefined) stats.push(containerStats(row, usage, layer && { ...layer, filesystem }));
  }
  return stats;
}

async function podStatsOf(engine: CriEngine, found: readonly SandboxView[]): Promise<PodSandboxStats[]> {
  const ids = new Set(found.map(({ row }) => row.spec.id));
  const usages = await engine.sandboxes.usages(ids);
  const members = containers(engine).filter(({ row }) => usages.has(row.spec.sandboxId));
  const stats = await statsOf(engine, members);
  const podOf = new Map(members.map(({ row }) => [row.spec.id, row.spec.sandboxId]));
  const byPod = Map.groupBy(stats, ({ attributes }) => podOf.get(attributes?.id ?? ''));
  return found.flatMap(({ row }) => {
    const usage = usages.get(row.spec.id);
    return usage === undefined ? [] : [podSandboxStats(row, usage, byPod.get(row.spec.id) ?? [])];
  });
}
