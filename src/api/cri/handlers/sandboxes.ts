import type {
  ListPodSandboxRequest,
  ListPodSandboxResponse,
  PodSandboxStatusRequest,
  PodSandboxStatusResponse,
  RemovePodSandboxRequest,
  RemovePodSandboxResponse,
  RunPodSandboxRequest,
  RunPodSandboxResponse,
  StopPodSandboxRequest,
  StopPodSandboxResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { filterSandboxes } from '../filters.ts';
import { containers, findSandbox, lookUp, sandboxes, unlessGone } from '../find.ts';
import { containerStatus } from '../from-state/container.ts';
import { podSandbox, podSandboxStatus, sandboxInfo } from '../from-state/sandbox.ts';
import { nanoseconds } from '../from-state/time.ts';
import { sandboxRequest } from '../to-spec/sandbox.ts';

export async function runPodSandbox(request: RunPodSandboxRequest, call: Call): Promise<RunPodSandboxResponse> {
  const { row } = await call.engine.sandboxes.create(sandboxRequest(request), { signal: call.signal });
  return { podSandboxId: row.spec.id };
}

/** One that is not there is stopped. */
export async function stopPodSandbox(request: StopPodSandboxRequest, call: Call): Promise<StopPodSandboxResponse> {
  const { engine, requester, signal } = call;
  const found = lookUp('sandbox', sandboxes(engine), request.podSandboxId);
  if (found !== undefined) await unlessGone(engine.sandboxes.stop(found.row.spec.id, { requester, signal }));
  return {};
}

/** One that is not there is removed. */
export async function removePodSandbox(
  request: RemovePodSandboxRequest,
  call: Call,
): Promise<RemovePodSandboxResponse> {
  const { engine, requester, signal } = call;
  const found = lookUp('sandbox', sandboxes(engine), request.podSandboxId);
  if (found !== undefined) await unlessGone(engine.sandboxes.remove(found.row.spec.id, { requester, signal }));
  return {};
}

export function podSandboxStatusOf(request: PodSandboxStatusRequest, { engine }: Call): PodSandboxStatusResponse {
  const { row } = findSandbox(engine, request.podSandboxId);
  const members = containers(engine).filter((each) => each.row.spec.sandboxId === row.spec.id);
  return {
    status: podSandboxStatus(row),
    info: request.verbose ? sandboxInfo(row) : {},
    containersStatuses: members.map((each) => containerStatus(each.row)),
    timestamp: nanoseconds(Date.now()),
  };
}

export function listPodSandbox({ filter }: ListPodSandboxRequest, { engine }: Call): ListPodSandboxResponse {
  return { items: filterSandboxes(sandboxes(engine), filter).map(({ row }) => podSandbox(row)) };
}
