import {
  Container,
  ContainerStats,
  Image,
  PodSandbox,
  PodSandboxMetrics,
  PodSandboxStats,
} from '../../../gen/cri/api.ts';
import type {
  StreamContainersRequest,
  StreamContainersResponse,
  StreamContainerStatsRequest,
  StreamContainerStatsResponse,
  StreamImagesRequest,
  StreamImagesResponse,
  StreamPodSandboxesRequest,
  StreamPodSandboxesResponse,
  StreamPodSandboxMetricsRequest,
  StreamPodSandboxMetricsResponse,
  StreamPodSandboxStatsRequest,
  StreamPodSandboxStatsResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { inChunks } from '../chunks.ts';
import { podMetrics } from '../metrics/pod-metrics.ts';
import { listContainers } from './containers.ts';
import { listImages } from './images.ts';
import { listPodSandbox } from './sandboxes.ts';
import { containerStatsFor, podSandboxStatsFor } from './stats.ts';

/**
 * The lists once more, in as many messages as they need: one message may not be larger than 16 MiB.
 * @see https://kep.k8s.io/5825
 */
export async function* streamPodSandboxes(
  request: StreamPodSandboxesRequest,
  call: Call,
): AsyncGenerator<StreamPodSandboxesResponse> {
  const { items } = listPodSandbox(request, call);
  for await (const podSandboxes of inChunks(items, PodSandbox)) yield { podSandboxes: [...podSandboxes] };
}

export async function* streamContainers(
  request: StreamContainersRequest,
  call: Call,
): AsyncGenerator<StreamContainersResponse> {
  const { containers } = listContainers(request, call);
  for await (const chunk of inChunks(containers, Container)) yield { containers: [...chunk] };
}

export async function* streamContainerStats(
  { filter }: StreamContainerStatsRequest,
  { engine }: Call,
): AsyncGenerator<StreamContainerStatsResponse> {
  const stats = await containerStatsFor(filter, engine);
  for await (const containerStats of inChunks(stats, ContainerStats)) yield { containerStats: [...containerStats] };
}

export async function* streamPodSandboxStats(
  { filter }: StreamPodSandboxStatsRequest,
  { engine }: Call,
): AsyncGenerator<StreamPodSandboxStatsResponse> {
  const stats = await podSandboxStatsFor(filter, engine);
  for await (const chunk of inChunks(stats, PodSandboxStats)) yield { podSandboxStats: [...chunk] };
}

export async function* streamPodSandboxMetrics(
  _: StreamPodSandboxMetricsRequest,
  { engine }: Call,
): AsyncGenerator<StreamPodSandboxMetricsResponse> {
  for await (const chunk of inChunks(podMetrics(engine), PodSandboxMetrics)) yield { podSandboxMetrics: [...chunk] };
}

export async function* streamImages(request: StreamImagesRequest, call: Call): AsyncGenerator<StreamImagesResponse> {
  const { images } = listImages(request, call);
  for await (const chunk of inChunks(images, Image)) yield { images: [...chunk] };
}
