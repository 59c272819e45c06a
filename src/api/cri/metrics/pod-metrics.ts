import { Pace } from '../../../base/pace.ts';
import type { ContainerView, SandboxUsage } from '../../../engine/index.ts';
import type { Disk, SnapshotUsage } from '../../../engine/ports.ts';
import type { ContainerMetrics, Metric, PodSandboxMetrics } from '../../../gen/cri/api.ts';
import type { CriEngine, SandboxView } from '../engine-door.ts';
import { containers, sandboxes } from '../find.ts';
import { containerMetadata, imageOf } from '../from-state/container.ts';
import { catalogueFor } from './catalogue.ts';
import type { Catalogue } from './catalogue.ts';
import { metricsOf } from './metric.ts';
import type { Labels } from './metric.ts';

interface Around {
  readonly engine: CriEngine;
  readonly catalogue: Catalogue;
  readonly disk: Disk;
  readonly layers: ReadonlyMap<string, SnapshotUsage>;
}

/** The metrics of every pod that is ready, with those of its containers that run. What ends meanwhile is left out. */
export async function* podMetrics(engine: CriEngine): AsyncGenerator<PodSandboxMetrics> {
  const live = containers(engine).filter(({ row: { state } }) => state.phase === 'running' || state.phase === 'paused');
  const [usages, disk, layers] = await Promise.all([
    engine.sandboxes.usages(),
    engine.disk(),
    engine.containers.snapshotUsages(live.map(({ row }) => row.spec.id)),
  ]);
  const around = { engine, catalogue: catalogueFor(engine.counters), disk, layers };
  const members = Map.groupBy(live, ({ row }) => row.spec.sandboxId);
  const pace = new Pace();
  for (const sandbox of sandboxes(engine)) {
    await pace.breathe();
    const { id } = sandbox.row.spec;
    const usage = usages.get(id);
    if (usage === undefined) continue;
    const containerMetrics: ContainerMetrics[] = [];
    for (const member of members.get(id) ?? []) {
      await pace.breathe();
      const metrics = await metricsOfContainer(member, around);
      if (metrics.length > 0) containerMetrics.push({ containerId: member.row.spec.id, metrics });
    }
    yield { podSandboxId: id, metrics: metricsOfPod(sandbox, usage, around), containerMetrics };
  }
}

async function metricsOfContainer({ row, sandbox }: ContainerView, around: Around): Promise<Metric[]> {
  const { engine, catalogue, disk, layers } = around;
  const { spec, state } = row;
  const details = await engine.containers.details(spec.id);
  if (details === undefined || (state.phase !== 'running' && state.phase !== 'paused')) return [];
  const labels: Labels = {
    ...podLabels(sandbox.spec),
    container: containerMetadata(spec).name,
    id: spec.cgroupPath,
    image: imageOf(spec).image,
    name: spec.id,
  };
  const subject = { spec, startedAt: state.run.startedAt, details, layer: layers.get(spec.id), disk };
  return [...metricsOf(catalogue.details, details, labels), ...metricsOf(catalogue.container, subject, labels)];
}

/** Its network, and what all of it uses when that is counted. */
function metricsOfPod({ row: { spec } }: SandboxView, usage: SandboxUsage, { catalogue }: Around): Metric[] {
  const { interfaces = [], cgroup } = usage;
  const labels = { ...podLabels(spec), container: '', id: cgroup ?? '', image: '', name: spec.id };
  return [
    ...metricsOf(catalogue.network, interfaces, labels),
    ...(cgroup === undefined ? [] : metricsOf(catalogue.usage, usage, labels)),
  ];
}

function podLabels({ pod, name }: SandboxView['row']['spec']): Pick<Labels, 'namespace' | 'pod'> {
  return { namespace: pod?.namespace ?? '', pod: pod?.name ?? name };
}
