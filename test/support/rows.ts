import { newId } from '../../src/base/ids.ts';
import type { ContainerSpec } from '../../src/engine/container/spec.ts';
import type { ContainerRow } from '../../src/engine/container/state.ts';
import type { SandboxRow } from '../../src/engine/sandbox/state.ts';

/** A spec in which everything has a value, and nothing matters but what is given. */
export function containerSpec(given: Partial<ContainerSpec>): ContainerSpec {
  const id = given.id ?? newId();
  return {
    id,
    name: id.slice(0, 12),
    sandboxId: newId(),
    role: 'workload',
    handler: 'crun',
    image: { name: 'test', id: `sha256:${'0'.repeat(64)}` },
    process: {
      args: ['/bin/sleep', '1000'],
      env: ['PATH=/bin'],
      cwd: '/',
      userName: '',
      user: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
      hasTerminal: false,
      hasStdin: false,
      isStdinOnce: false,
    },
    pid: 'container',
    mounts: [],
    resources: {},
    security: {},
    rlimits: [],
    oomScoreAdj: 0,
    shmSizeBytes: 64 << 20,
    labels: {},
    annotations: {},
    stopSignal: 'SIGTERM',
    stopGraceMs: 10_000,
    restart: { when: 'no' },
    logPath: `/nowhere/${id}/container.log`,
    cgroupPath: `/berth/${id}`,
    apiData: null,
    ...given,
  };
}

export function containerRow(given: Partial<ContainerSpec>, row: Partial<ContainerRow> = {}): ContainerRow {
  return { spec: containerSpec(given), state: { phase: 'created' }, createdAt: 1_700_000_000_000, runs: 0, ...row };
}

/** The private sandbox of a container, with the host's network, so that nothing has to be pinned. */
export function sandboxRow({ spec, createdAt }: ContainerRow): SandboxRow {
  return {
    spec: {
      id: spec.sandboxId,
      name: spec.name,
      network: 'host',
      ipc: 'sandbox',
      hostname: 'test',
      owner: spec.id,
      ports: [],
      sysctls: {},
      handler: spec.handler,
      labels: {},
      annotations: {},
      apiData: null,
    },
    state: { phase: 'stopped', stoppedAt: createdAt },
    createdAt,
  };
}
