import { CgroupDriver } from '../../../gen/cri/api.ts';
import type {
  RuntimeCondition,
  RuntimeConfigResponse,
  StatusRequest,
  StatusResponse,
  UpdateRuntimeConfigResponse,
  VersionRequest,
  VersionResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';

/** The kubelet's own version of this API: the same since there is one, and no client looks at it. */
const KUBELET_API = '0.1.0';

export function version(_: VersionRequest, { about }: Call): VersionResponse {
  return { version: KUBELET_API, runtimeName: 'berth', runtimeVersion: about.version, runtimeApiVersion: 'v1' };
}

export async function status({ verbose }: StatusRequest, { engine, about }: Call): Promise<StatusResponse> {
  const { trouble, networkTrouble } = engine;
  const userNamespaces = (await engine.idmapTrouble()) === undefined;
  return {
    status: {
      conditions: [
        condition('RuntimeReady', 'StateNotSaved', trouble),
        condition('NetworkReady', 'NetworkPluginNotReady', networkTrouble),
      ],
    },
    info: verbose ? { config: JSON.stringify(about.configuration) } : {},
    // The empty name is the default one's; every kernel that berth runs on makes mounts read-only all the way down.
    runtimeHandlers: ['', ...about.handlers].map((name) => ({
      name,
      features: { recursiveReadOnlyMounts: true, userNamespaces },
    })),
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: userNamespaces },
  };
}

function condition(type: string, reason: string, trouble: string | undefined): RuntimeCondition {
  if (trouble === undefined) return { type, status: true, reason: '', message: '' };
  return { type, status: false, reason, message: trouble };
}

/** Said aloud: the zero of this list is systemd. */
export function runtimeConfig(): RuntimeConfigResponse {
  return { linux: { cgroupDriver: CgroupDriver.CGROUPFS } };
}

/** A pod CIDR is for runtimes that write the network's configuration themselves; here that is whoever installs the network. */
export function updateRuntimeConfig(): UpdateRuntimeConfigResponse {
  return {};
}
