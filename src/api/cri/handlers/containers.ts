import { setTimeout as sleep } from 'node:timers/promises';
import { BerthError } from '../../../base/errors.ts';
import type { ContainerRow, ContainerView } from '../../../engine/index.ts';
import { describePhase, exitOf } from '../../../engine/index.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import type {
  CheckpointContainerRequest,
  ContainerStatusRequest,
  ContainerStatusResponse,
  CreateContainerRequest,
  CreateContainerResponse,
  ListContainersRequest,
  ListContainersResponse,
  RemoveContainerRequest,
  RemoveContainerResponse,
  ReopenContainerLogRequest,
  ReopenContainerLogResponse,
  StartContainerRequest,
  StartContainerResponse,
  StopContainerRequest,
  StopContainerResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import type { CriEngine } from '../engine-door.ts';
import { filterContainers } from '../filters.ts';
import { containers, findContainer, findSandbox, lookUp, sandboxes, unlessGone } from '../find.ts';
import { container, containerInfo, containerStatus } from '../from-state/container.ts';
import { containerRequest } from '../to-spec/container.ts';

export async function createContainer(request: CreateContainerRequest, call: Call): Promise<CreateContainerResponse> {
  const { engine, signal } = call;
  const { row: sandbox } = findSandbox(engine, request.podSandboxId);
  const context = {
    sandbox,
    findImage: (name: string) => engine.images.find(name),
    findTarget: (id: string) => targetIn(engine, sandbox, id),
  };
  const created = await engine.containers.create(containerRequest(request, context), { signal });
  return { containerId: created.row.spec.id };
}

/** A container shows its processes to those of its own pod only. */
function targetIn(engine: CriEngine, sandbox: SandboxRow, id: string): string {
  const { spec } = findContainer(engine, id).row;
  if (spec.sandboxId === sandbox.spec.id) return spec.id;
  throw new BerthError(
    'InvalidArgument',
    `Cannot create container: container "${id}" is not in sandbox "${sandbox.spec.name}"`,
    {
      field: 'config.linux.security_context.namespace_options.target_id',
    },
  );
}

export async function startContainer(
  { containerId }: StartContainerRequest,
  call: Call,
): Promise<StartContainerResponse> {
  const { row } = findContainer(call.engine, containerId);
  if (row.runs > 0) throw startedBefore(row);
  await call.engine.containers.start(row.spec.id, { signal: call.signal });
  return {};
}

/** A kubelet makes another container instead: to it the end of one is final. */
function startedBefore({ spec, state }: ContainerRow): BerthError {
  const phase = describePhase(state);
  return new BerthError('WrongState', `Cannot start container "${spec.name}": it is ${phase}, and a pod's starts once`);
}

/** One that is not there is stopped. */
export async function stopContainer(request: StopContainerRequest, call: Call): Promise<StopContainerResponse> {
  const { engine, requester, signal } = call;
  const found = lookUp('container', containers(engine), request.containerId);
  const grace = request.timeout > 0n ? { graceMs: Number(request.timeout) * 1_000 } : { isKill: true };
  if (found !== undefined) await unlessGone(engine.containers.stop(found.row.spec.id, { ...grace, requester, signal }));
  return {};
}

/** One that is not there is removed. */
export async function removeContainer(request: RemoveContainerRequest, call: Call): Promise<RemoveContainerResponse> {
  const { engine, requester, signal } = call;
  const found = lookUp('container', containers(engine), request.containerId);
  if (found === undefined) return {};
  await unlessGone(engine.containers.remove(found.row.spec.id, { isForced: true, requester, signal }));
  return {};
}

export function listContainers({ filter }: ListContainersRequest, { engine }: Call): ListContainersResponse {
  const found = filterContainers(containers(engine), { filter, sandboxes: sandboxes(engine) });
  return { containers: found.map(({ row }) => container(row)) };
}

export async function containerStatusOf(request: ContainerStatusRequest, call: Call): Promise<ContainerStatusResponse> {
  const { row } = await withItsLog(request.containerId, call);
  return { status: containerStatus(row), info: request.verbose ? containerInfo(row) : {} };
}

/** How long an exit that has just been seen is kept back from a client that would read the log right away. */
const LOG_WAIT_MS = 150;
const LOG_LOOK_MS = 10;

async function withItsLog(id: string, { engine, signal }: Call): Promise<ContainerView> {
  let found = findContainer(engine, id);
  for (let waited = 0; waited < LOG_WAIT_MS && isLogPending(found); waited += LOG_LOOK_MS) {
    await sleep(LOG_LOOK_MS, undefined, { signal });
    found = findContainer(engine, id);
  }
  return found;
}

function isLogPending({ row }: ContainerView): boolean {
  return exitOf(row.state)?.log === 'pending';
}

export async function reopenContainerLog(
  { containerId }: ReopenContainerLogRequest,
  { engine }: Call,
): Promise<ReopenContainerLogResponse> {
  await engine.containers.reopenLog(findContainer(engine, containerId).row.spec.id);
  return {};
}

/** @throws BerthError Unsupported: what its processes have in memory is nowhere saved */
export function checkpointContainer({ containerId }: CheckpointContainerRequest, { engine }: Call): never {
  const { spec } = findContainer(engine, containerId).row;
  const message = `Cannot checkpoint container "${spec.name}": berth cannot save what processes have in memory`;
  throw new BerthError('Unsupported', message);
}
