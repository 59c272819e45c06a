import type {
  UpdateContainerResourcesRequest,
  UpdateContainerResourcesResponse,
  UpdatePodSandboxResourcesRequest,
  UpdatePodSandboxResourcesResponse,
} from '../../../gen/cri/api.ts';
import { asSaved, sandboxData } from '../api-data.ts';
import type { Call } from '../call.ts';
import { unsupported } from '../errors.ts';
import { findContainer, findSandbox } from '../find.ts';
import { changeOf } from '../to-spec/resources.ts';
import { podResources } from '../to-spec/sandbox.ts';

/** All of them or none; what the request does not name stays. */
export async function updateContainerResources(
  { containerId, linux, windows, annotations }: UpdateContainerResourcesRequest,
  { engine, requester, signal }: Call,
): Promise<UpdateContainerResourcesResponse> {
  const { spec } = findContainer(engine, containerId).row;
  if (windows !== undefined) throw unsupported('update container', 'windows', 'is for a container of another system');
  if (linux === undefined) return {};
  await engine.containers.update(spec.id, {
    resources: changeOf(linux, spec.resources),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    requester,
    signal,
  });
  return {};
}

/** The cgroup of a pod is the kubelet's, and has its limits already: they are only kept. @see cri-api RuntimeService */
export async function updatePodSandboxResources(
  { podSandboxId, resources, overhead }: UpdatePodSandboxResourcesRequest,
  { engine, requester, signal }: Call,
): Promise<UpdatePodSandboxResourcesResponse> {
  const { spec } = findSandbox(engine, podSandboxId).row;
  const data = sandboxData(spec);
  if (data === undefined) return {};
  const apiData = asSaved({ ...data, ...podResources({ resources, overhead }) });
  await engine.sandboxes.update(spec.id, { apiData, requester, signal });
  return {};
}
