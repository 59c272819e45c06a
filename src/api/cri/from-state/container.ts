import type { ContainerSpec } from '../../../engine/container/spec.ts';
import type { ContainerRow, ContainerState as EngineState, ExitRecord } from '../../../engine/container/state.ts';
import { currentRun, describePhase, exitOf } from '../../../engine/index.ts';
import { ContainerState } from '../../../gen/cri/api.ts';
import type {
  Container,
  ContainerMetadata,
  ContainerStatus,
  ImageSpec,
  LinuxContainerResources,
  LinuxContainerUser,
} from '../../../gen/cri/api.ts';
import { containerData } from '../api-data.ts';
import { stopSignalValue } from '../signals.ts';
import { nanoseconds } from './time.ts';

/** CONTAINER_UNKNOWN is none of them: a kubelet kills what is unknown, and berth always knows what it saw last. */
export function containerState(state: EngineState): ContainerState {
  switch (state.phase) {
    case 'creating':
    case 'created':
    case 'starting':
      return ContainerState.CONTAINER_CREATED;
    case 'running':
    case 'paused':
      return ContainerState.CONTAINER_RUNNING;
    case 'exited':
      return ContainerState.CONTAINER_EXITED;
    case 'removing': // one that never ran has no end to tell of
      return state.exit === undefined ? ContainerState.CONTAINER_CREATED : ContainerState.CONTAINER_EXITED;
  }
}

export function container({ spec, state, createdAt }: ContainerRow): Container {
  const { labels, annotations } = containerData(spec) ?? spec;
  return {
    id: spec.id,
    podSandboxId: spec.sandboxId,
    metadata: containerMetadata(spec),
    image: imageOf(spec),
    imageRef: spec.image.id,
    state: containerState(state),
    createdAt: nanoseconds(createdAt),
    labels,
    annotations,
    imageId: spec.image.id,
  };
}

export function containerStatus(row: ContainerRow): ContainerStatus {
  const { spec, state } = row;
  const exit = exitOf(state);
  const { id, metadata, image, imageRef, imageId, createdAt, labels, annotations } = container(row);
  return {
    id,
    metadata,
    state: containerState(state),
    createdAt,
    startedAt: nanoseconds(startOf(state) ?? 0),
    finishedAt: nanoseconds(exit?.exitedAt ?? 0),
    exitCode: exit === undefined ? 0 : exitCodeOf(exit),
    image,
    imageRef,
    reason: exit === undefined ? '' : reasonOf(exit),
    message: exit?.message ?? '',
    labels,
    annotations,
    mounts: [...(containerData(spec)?.mounts ?? [])],
    logPath: spec.logPath,
    resources: { linux: resourcesOf(spec), windows: undefined },
    imageId,
    user: { linux: userOf(spec) },
    stopSignal: stopSignalValue(spec.stopSignal),
  };
}

function startOf(state: EngineState): number | undefined {
  return state.phase === 'running' || state.phase === 'paused' ? state.run.startedAt : exitOf(state)?.startedAt;
}

/** What never ran did not return anything; which number says that is the custom of runtimes. */
const START_FAILED = 128;

function exitCodeOf({ cause, code }: ExitRecord): number {
  return cause === 'start-failed' ? START_FAILED : code;
}

function reasonOf({ cause, code, isOom }: ExitRecord): string {
  if (cause === 'start-failed') return 'StartError';
  if (isOom) return 'OOMKilled';
  return code === 0 ? 'Completed' : 'Error';
}

export function containerMetadata(spec: ContainerSpec): ContainerMetadata {
  return containerData(spec)?.metadata ?? { name: spec.name, attempt: 0 };
}

/** By the name that its user gave it: a kubelet asks for it by its id. */
export function imageOf(spec: ContainerSpec): ImageSpec {
  const asked = containerData(spec)?.image;
  const name = asked?.userSpecifiedImage ?? '';
  return {
    image: name === '' ? spec.image.name : name,
    annotations: asked?.annotations ?? {},
    userSpecifiedImage: name,
    runtimeHandler: asked?.runtimeHandler ?? '',
    imageRef: '',
  };
}

function userOf({ process: { user } }: ContainerSpec): LinuxContainerUser {
  const groups = new Set([user.gid, ...user.additionalGids]);
  return { uid: BigInt(user.uid), gid: BigInt(user.gid), supplementalGroups: [...groups].map(BigInt) };
}

function resourcesOf({ resources, oomScoreAdj }: ContainerSpec): LinuxContainerResources {
  const hugepages = Object.entries(resources.hugepageBytes ?? {});
  return {
    cpuPeriod: BigInt(resources.cpuPeriodUs ?? 0),
    cpuQuota: BigInt(resources.cpuQuotaUs ?? 0),
    cpuShares: BigInt(resources.cpuShares ?? 0),
    memoryLimitInBytes: BigInt(resources.memoryBytes ?? 0),
    oomScoreAdj: BigInt(oomScoreAdj),
    cpusetCpus: resources.cpusetCpus ?? '',
    cpusetMems: resources.cpusetMems ?? '',
    hugepageLimits: hugepages.map(([pageSize, bytes]) => ({ pageSize, limit: BigInt(bytes) })),
    unified: { ...resources.unified },
    memorySwapLimitInBytes: BigInt(resources.memorySwapBytes ?? 0),
  };
}

/** What `crictl inspect` shows beside the status. */
export function containerInfo({ spec, state, runs }: ContainerRow): Record<string, string> {
  const { apiData, ...config } = spec;
  const run = currentRun(state);
  const info = {
    sandboxID: spec.sandboxId,
    pid: run?.processes?.init.pid ?? 0,
    monitorPid: run?.processes?.monitor.pid ?? 0,
    removing: state.phase === 'removing',
    runtimeType: spec.handler,
    phase: describePhase(state),
    runs,
    state,
    config,
    apiData,
  };
  return { info: JSON.stringify(info) };
}
