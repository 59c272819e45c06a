import { BerthError } from '../../base/errors.ts';
import type { NetworkOrder } from '../../engine/ports.ts';
import type { JsonObject } from './config.ts';
import { parseQuantity } from './quantity.ts';

/**
 * What a sandbox wants of plugins that can do it, by capability.
 * @throws BerthError InvalidArgument when a bandwidth is no quantity or out of range
 * @see containernetworking/cni CONVENTIONS.md, "Dynamic Plugin specific fields"; containerd internal/cri/server/sandbox_run.go, cniNamespaceOpts
 */
export function capabilityArgsOf(
  order: Pick<NetworkOrder, 'ports' | 'dns' | 'annotations' | 'cgroupParent'>,
): JsonObject {
  const { ports, dns, annotations, cgroupParent } = order;
  const portMappings = ports
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIp = '' }) => ({
      hostPort,
      containerPort,
      protocol,
      hostIP: hostIp,
    }));
  const bandwidth = bandwidthOf(annotations);
  return {
    ...(portMappings.length === 0 ? {} : { portMappings }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(dns === undefined ? {} : { dns }),
    ...(cgroupParent === undefined ? {} : { cgroupPath: cgroupParent }),
  };
}

const INGRESS = 'kubernetes.io/ingress-bandwidth';
const EGRESS = 'kubernetes.io/egress-bandwidth';
const LEAST_BITS = 1_000n;
const MOST_BITS = 10n ** 15n;
/** bits; the annotations know no burst. @see containerd internal/cri/server/sandbox_run.go, toCNIBandWidth */
const BURST = 2 ** 32 - 1;

/** Rates in bits per second. @see k8s.io/kubernetes pkg/util/bandwidth/utils.go */
function bandwidthOf(annotations: Readonly<Record<string, string>>): JsonObject | undefined {
  const ingressRate = rateOf(annotations, INGRESS);
  const egressRate = rateOf(annotations, EGRESS);
  if (ingressRate === undefined && egressRate === undefined) return undefined;
  return {
    ...(ingressRate === undefined ? {} : { ingressRate, ingressBurst: BURST }),
    ...(egressRate === undefined ? {} : { egressRate, egressBurst: BURST }),
  };
}

function rateOf(annotations: Readonly<Record<string, string>>, key: string): number | undefined {
  const text = annotations[key];
  if (text === undefined) return undefined;
  const bits = parseQuantity(text);
  if (bits !== undefined && bits >= LEAST_BITS && bits <= MOST_BITS) return Number(bits);
  const wanted = bits === undefined ? 'must be a quantity like "10M"' : 'must be from 1k to 1P';
  throw new BerthError('InvalidArgument', `Cannot limit the bandwidth: annotation "${key}" is "${text}": ${wanted}`, {
    field: `annotations["${key}"]`,
  });
}
