import type { PodIdentity } from '../../engine/sandbox/state.ts';
import type { ContainerMetadata } from '../../gen/cri/api.ts';

/** A name of its own for every sandbox that a kubelet makes of a pod. */
export function sandboxName({ name, namespace, uid, attempt }: PodIdentity): string {
  return [name, namespace, uid, attempt].join('_');
}

/** Likewise for every container: the form that people know from `docker ps` on a node. */
export function containerName(container: ContainerMetadata, pod: PodIdentity): string {
  return ['k8s', container.name, pod.name, pod.namespace, pod.uid, container.attempt].join('_');
}
