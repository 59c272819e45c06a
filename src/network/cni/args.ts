import { BerthError } from '../../base/errors.ts';
import type { NetworkOrder } from '../../engine/ports.ts';

/**
 * The CNI_ARGS that container runtimes of Kubernetes send: whom the sandbox belongs to.
 * @throws BerthError InvalidArgument when a value would be read as something else
 * @see containerd internal/cri/server/sandbox_run.go, toCNILabels
 */
export function cniArgsOf({ sandboxId, pod }: Pick<NetworkOrder, 'sandboxId' | 'pod'>): [key: string, value: string][] {
  const ignore: [string, string] = ['IgnoreUnknown', '1'];
  if (pod === undefined) return [ignore];
  const args: [string, string][] = [
    ignore,
    ['K8S_POD_NAMESPACE', pod.namespace],
    ['K8S_POD_NAME', pod.name],
    ['K8S_POD_INFRA_CONTAINER_ID', sandboxId],
    ['K8S_POD_UID', pod.uid],
  ];
  for (const [key, value] of args) {
    if (!/[;=\0]/.test(value)) continue;
    const message = `Cannot tell network plugins ${key} ${JSON.stringify(value)}: must have no ";" and no "="`;
    throw new BerthError('InvalidArgument', message, { field: 'pod' });
  }
  return args;
}
