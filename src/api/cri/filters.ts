import type { ContainerView } from '../../engine/index.ts';
import type {
  ContainerFilter,
  ContainerState,
  ContainerStatsFilter,
  PodSandboxFilter,
  PodSandboxStatsFilter,
} from '../../gen/cri/api.ts';
import { containerData } from './api-data.ts';
import type { SandboxView } from './engine-door.ts';
import { containerState } from './from-state/container.ts';
import { sandboxState } from './from-state/sandbox.ts';

/** What passes all that the filter names; nothing named passes everything. */
export function filterSandboxes(
  all: readonly SandboxView[],
  filter: PodSandboxFilter | PodSandboxStatsFilter | undefined,
): readonly SandboxView[] {
  if (filter === undefined) return all;
  const { labelSelector } = filter;
  const state = 'state' in filter ? filter.state : undefined;
  const id = idMeant(all, filter.id);
  return all.filter(
    ({ row }) =>
      (id === undefined || row.spec.id === id) &&
      (state === undefined || sandboxState(row.state) === state.state) &&
      hasLabels(row.spec.labels, labelSelector),
  );
}

interface ContainerQuery {
  readonly filter: ContainerFilter | ContainerStatsFilter | undefined;
  /** Of which `podSandboxId` may be the beginning of one's id. */
  readonly sandboxes: readonly SandboxView[];
}

/** Likewise containers, for their lists and for the lists of their statistics. */
export function filterContainers(
  all: readonly ContainerView[],
  { filter, sandboxes }: ContainerQuery,
): readonly ContainerView[] {
  if (filter === undefined) return all;
  const id = idMeant(all, filter.id);
  const sandboxId = idMeant(sandboxes, filter.podSandboxId);
  const state: ContainerState | undefined = 'state' in filter ? filter.state?.state : undefined;
  return all.filter(
    ({ row }) =>
      (id === undefined || row.spec.id === id) &&
      (sandboxId === undefined || row.spec.sandboxId === sandboxId) &&
      (state === undefined || containerState(row.state) === state) &&
      hasLabels(containerData(row.spec)?.labels ?? {}, filter.labelSelector),
  );
}

interface Identified {
  readonly row: { readonly spec: { readonly id: string } };
}

/** The id that a beginning of it stands for; undefined when nothing is asked for. What fits several stands for itself. */
function idMeant(all: readonly Identified[], wanted: string): string | undefined {
  if (wanted === '') return undefined;
  const [only, ...others] = all.filter(({ row }) => row.spec.id.startsWith(wanted));
  return only === undefined || others.length > 0 ? wanted : only.row.spec.id;
}

function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
