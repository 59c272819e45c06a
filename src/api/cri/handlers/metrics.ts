import type {
  ListMetricDescriptorsRequest,
  ListMetricDescriptorsResponse,
  ListPodSandboxMetricsRequest,
  ListPodSandboxMetricsResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { descriptors } from '../metrics/catalogue.ts';
import { podMetrics } from '../metrics/pod-metrics.ts';

export function listMetricDescriptors(
  _: ListMetricDescriptorsRequest,
  { engine }: Call,
): ListMetricDescriptorsResponse {
  return { descriptors: descriptors(engine.counters) };
}

export async function listPodSandboxMetrics(
  _: ListPodSandboxMetricsRequest,
  { engine }: Call,
): Promise<ListPodSandboxMetricsResponse> {
  return { podMetrics: await Array.fromAsync(podMetrics(engine)) };
}
