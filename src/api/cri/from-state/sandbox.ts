import type { SandboxRow, SandboxState } from '../../../engine/sandbox/state.ts';
import { PodSandboxState } from '../../../gen/cri/api.ts';
import type { PodSandbox, PodSandboxMetadata, PodSandboxStatus } from '../../../gen/cri/api.ts';
import { sandboxData } from '../api-data.ts';
import { nanoseconds } from './time.ts';

export function sandboxState({ phase }: SandboxState): PodSandboxState {
  return phase === 'ready' ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
}

export function podSandbox(row: SandboxRow): PodSandbox {
  const { spec, state, createdAt } = row;
  return {
    id: spec.id,
    metadata: metadataOf(row),
    state: sandboxState(state),
    createdAt: nanoseconds(createdAt),
    labels: spec.labels,
    annotations: spec.annotations,
    runtimeHandler: sandboxData(spec)?.runtimeHandler ?? '',
  };
}

export function podSandboxStatus(row: SandboxRow): PodSandboxStatus {
  const [ip = '', ...others] = addressesOf(row);
  const options = sandboxData(row.spec)?.namespaces;
  return {
    ...podSandbox(row),
    network: { ip, additionalIps: others.map((address) => ({ ip: address })) },
    linux: { namespaces: { options } },
  };
}

/** Those in the host's network have none of their own: a kubelet knows the host's. */
function addressesOf({ state }: SandboxRow): readonly string[] {
  return state.phase === 'ready' || state.phase === 'stopping' ? state.addresses : [];
}

function metadataOf({ spec }: SandboxRow): PodSandboxMetadata {
  const { name, namespace, uid, attempt } = spec.pod ?? { name: spec.name, namespace: '', uid: '', attempt: 0 };
  return { name, namespace, uid, attempt };
}

/**
 * What `crictl inspectp` shows beside the status. Who looks for the file of a network namespace finds it where other
 * runtimes have it: as a namespace of a runtime-spec.
 */
export function sandboxInfo({ spec, state }: SandboxRow): Record<string, string> {
  const { apiData, ...config } = spec;
  const pins = 'pins' in state ? state.pins : {};
  const namespaces = [
    { type: 'user', path: pins.user },
    { type: 'network', path: pins.net },
    { type: 'ipc', path: pins.ipc },
    { type: 'uts', path: pins.uts },
  ].filter(({ path }) => path !== undefined);
  const info = { config, apiData, runtimeHandler: spec.handler, state, runtimeSpec: { linux: { namespaces } } };
  return { info: JSON.stringify(info) };
}
