import type { RuntimeServiceServer } from '../../gen/cri/api.ts';
import { unsupported } from './answer.ts';
import type { Answering } from './answer.ts';
import * as containers from './handlers/containers.ts';
import { containerEvents } from './handlers/events.ts';
import { execSync } from './handlers/exec-sync.ts';
import * as metrics from './handlers/metrics.ts';
import * as resources from './handlers/resources.ts';
import * as runtime from './handlers/runtime.ts';
import * as sandboxes from './handlers/sandboxes.ts';
import * as stats from './handlers/stats.ts';
import * as streams from './handlers/streams.ts';

export function runtimeService(answer: Answering): RuntimeServiceServer {
  return {
    version: answer.one('Version', runtime.version),
    status: answer.one('Status', runtime.status),
    runtimeConfig: answer.one('RuntimeConfig', runtime.runtimeConfig),
    updateRuntimeConfig: answer.one('UpdateRuntimeConfig', runtime.updateRuntimeConfig),

    runPodSandbox: answer.one('RunPodSandbox', sandboxes.runPodSandbox),
    stopPodSandbox: answer.one('StopPodSandbox', sandboxes.stopPodSandbox),
    removePodSandbox: answer.one('RemovePodSandbox', sandboxes.removePodSandbox),
    podSandboxStatus: answer.one('PodSandboxStatus', sandboxes.podSandboxStatusOf),
    listPodSandbox: answer.one('ListPodSandbox', sandboxes.listPodSandbox),

    createContainer: answer.one('CreateContainer', containers.createContainer),
    startContainer: answer.one('StartContainer', containers.startContainer),
    stopContainer: answer.one('StopContainer', containers.stopContainer),
    removeContainer: answer.one('RemoveContainer', containers.removeContainer),
    listContainers: answer.one('ListContainers', containers.listContainers),
    containerStatus: answer.one('ContainerStatus', containers.containerStatusOf),
    reopenContainerLog: answer.one('ReopenContainerLog', containers.reopenContainerLog),
    execSync: answer.one('ExecSync', execSync),

    updateContainerResources: answer.one('UpdateContainerResources', resources.updateContainerResources),
    updatePodSandboxResources: answer.one('UpdatePodSandboxResources', resources.updatePodSandboxResources),
    checkpointContainer: answer.one('CheckpointContainer', containers.checkpointContainer),

    containerStats: answer.one('ContainerStats', stats.containerStatsOf),
    listContainerStats: answer.one('ListContainerStats', stats.listContainerStats),
    podSandboxStats: answer.one('PodSandboxStats', stats.podSandboxStatsOf),
    listPodSandboxStats: answer.one('ListPodSandboxStats', stats.listPodSandboxStats),
    listMetricDescriptors: answer.one('ListMetricDescriptors', metrics.listMetricDescriptors),
    listPodSandboxMetrics: answer.one('ListPodSandboxMetrics', metrics.listPodSandboxMetrics),

    getContainerEvents: answer.many('GetContainerEvents', containerEvents),
    streamPodSandboxes: answer.many('StreamPodSandboxes', streams.streamPodSandboxes),
    streamContainers: answer.many('StreamContainers', streams.streamContainers),
    streamContainerStats: answer.many('StreamContainerStats', streams.streamContainerStats),
    streamPodSandboxStats: answer.many('StreamPodSandboxStats', streams.streamPodSandboxStats),
    streamPodSandboxMetrics: answer.many('StreamPodSandboxMetrics', streams.streamPodSandboxMetrics),

    exec: unsupported('Exec'),
    attach: unsupported('Attach'),
    portForward: unsupported('PortForward'),
  };
}
