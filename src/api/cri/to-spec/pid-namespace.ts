import type { PidNamespace } from '../../../engine/container/spec.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import { NamespaceMode } from '../../../gen/cri/api.ts';
import type { NamespaceOption } from '../../../gen/cri/api.ts';
import { sandboxData } from '../api-data.ts';
import { invalid } from '../errors.ts';

const VERB = 'create container';
const FIELD = 'config.linux.security_context.namespace_options';

/**
 * Whose processes a container sees. Its network and its IPC namespace are its pod's, whatever the container's own
 * options say: no kubelet asks for another, and not every client says them again.
 *
 * The pod's own is the host's when the pod was made so, and otherwise never is: a container cannot ask for more than
 * its pod has.
 */
export function pidNamespaceOf(
  options: NamespaceOption | undefined,
  sandbox: SandboxRow,
  findTarget: (id: string) => string,
): PidNamespace {
  const isHostPod = sandboxData(sandbox.spec)?.namespaces?.pid === NamespaceMode.NODE;
  const mode = options?.pid ?? NamespaceMode.POD;
  switch (mode) {
    case NamespaceMode.POD:
      return isHostPod ? 'host' : 'sandbox';
    case NamespaceMode.CONTAINER:
      return 'container';
    case NamespaceMode.NODE:
      if (!isHostPod)
        throw invalid(VERB, `${FIELD}.pid`, "is NODE, but the sandbox was not made for the host's processes");
      return 'host';
    case NamespaceMode.TARGET: {
      const target = options?.targetId ?? '';
      if (target === '') throw invalid(VERB, `${FIELD}.target_id`, 'is empty, must be a container');
      return { target: findTarget(target) };
    }
    default:
      throw invalid(VERB, `${FIELD}.pid`, `is ${mode}, which is no mode of the CRI`);
  }
}
