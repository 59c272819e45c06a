import { newId } from '../../src/base/ids.ts';
import type { ContainerView } from '../../src/engine/index.ts';
import type { ContainerSpec } from '../../src/engine/container/spec.ts';
import type { ContainerRow, ContainerState, LiveRun } from '../../src/engine/container/state.ts';
import type { Image } from '../../src/engine/ports.ts';
import type { SandboxRow, SandboxSpec, SandboxState } from '../../src/engine/sandbox/state.ts';
import type { ContainerData, SandboxData } from '../../src/api/cri/api-data.ts';
import { containerRow } from './rows.ts';

/** A pod's sandbox that is ready, and in which nothing matters but what is given. */
export function podRow(
  given: Partial<SandboxSpec> = {},
  data: Partial<SandboxData> = {},
  state?: SandboxState,
): SandboxRow {
  return {
    spec: {
      id: newId(),
      name: 'pod_default_uid-1_0',
      network: 'cni',
      ipc: 'sandbox',
      hostname: 'pod',
      pod: { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 },
      ports: [],
      sysctls: {},
      handler: 'crun',
      labels: {},
      annotations: {},
      apiData: { door: 'cri', isPrivileged: false, runtimeHandler: '', ...data } satisfies SandboxData,
      ...given,
    },
    state: state ?? { phase: 'ready', pins: {}, bootId: 'boot', addresses: ['10.0.0.2', 'fd00::2'] },
    createdAt: 1_700_000_000_000,
  };
}

/** A container of a pod. */
export function podContainerRow(
  given: Partial<ContainerSpec> = {},
  data: Partial<ContainerData> = {},
  row: Partial<ContainerRow> = {},
): ContainerRow {
  const image = { image: 'busybox', annotations: {}, userSpecifiedImage: '', runtimeHandler: '', imageRef: '' };
  const apiData: ContainerData = {
    door: 'cri',
    metadata: { name: 'web', attempt: 0 },
    image,
    labels: {},
    annotations: {},
    mounts: [],
    ...data,
  };
  return containerRow({ apiData, ...given }, row);
}

/** The state of one that runs. */
export function running(given: Partial<LiveRun> = {}): ContainerState {
  const processes = {
    init: { bootId: 'boot', pid: 100, startTime: 1 },
    monitor: { bootId: 'boot', pid: 99, startTime: 1 },
  };
  const run = { number: 1, processes, startedAt: 1_700_000_000_500, startedBoot: 1_000, ...given };
  return { phase: 'running', run };
}

export function viewOf(row: ContainerRow, sandbox: SandboxRow = podRow()): ContainerView {
  return { row, sandbox, isQuarantined: false };
}

/** An image in which nothing matters but what is given. */
export function engineImage(given: Partial<Image> = {}): Image {
  return {
    id: `sha256:${'a'.repeat(64)}`,
    names: ['docker.io/library/busybox:latest'],
    digests: [`docker.io/library/busybox@sha256:${'b'.repeat(64)}`],
    isPinned: false,
    sizeBytes: 1_000_000,
    createdAt: undefined,
    architecture: 'amd64',
    config: { entrypoint: [], command: ['sh'], env: [], cwd: '', user: '', stopSignal: undefined, labels: {} },
    layers: 1,
    ...given,
  };
}
