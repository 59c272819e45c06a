import type {
  ContainerStatsRequest,
  ContainerStatsResponse,
  ListContainerStatsRequest,
  ListContainerStatsResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { filterContainers } from '../filters.ts';
import { containers, findContainer, sandboxes } from '../find.ts';
import { containerStats } from '../from-state/stats.ts';

export function containerStatsOf({ containerId }: ContainerStatsRequest, { engine }: Call): ContainerStatsResponse {
  const { row } = findContainer(engine, containerId);
  return { stats: containerStats(row, engine.containers.usage(row.spec.id)) };
}

/** Of those that run. One that ends meanwhile is left out. */
export function listContainerStats(
  { filter }: ListContainerStatsRequest,
  { engine }: Call,
): ListContainerStatsResponse {
  const found = filterContainers(containers(engine), { filter, sandboxes: sandboxes(engine) });
  return {
    stats: found.flatMap(({ row }) => {
      const usage = engine.containers.usage(row.spec.id);
      return usage === undefined ? [] : [containerStats(row, usage)];
    }),
  };
}
