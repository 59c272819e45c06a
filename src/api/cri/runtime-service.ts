import type { RuntimeServiceServer } from '../../gen/cri/api.ts';
import { unsupported, unsupportedStream } from './answer.ts';
import type { Answering } from './answer.ts';
import * as containers from './handlers/containers.ts';
import { execSync } from './handlers/exec-sync.ts';
import * as runtime from './handlers/runtime.ts';
import * as sandboxes from './handlers/sandboxes.ts';
import * as stats from './handlers/stats.ts';

export function runtimeService(answer: Answering): RuntimeServiceServer {
  return {
    version: answer('Version', runtime.version),
    status: answer('Status', runtime.status),
    runtimeConfig: answer('RuntimeConfig', runtime.runtimeConfig),
    updateRuntimeConfig: answer('UpdateRuntimeConfig', runtime.updateRuntimeConfig),

    runPodSandbox: answer('RunPodSandbox', sandboxes.runPodSandbox),
    stopPodSandbox: answer('StopPodSandbox', sandboxes.stopPodSandbox),
    removePodSandbox: answer('RemovePodSandbox', sandboxes.removePodSandbox),
    podSandboxStatus: answer('PodSandboxStatus', sandboxes.podSandboxStatusOf),
    listPodSandbox: answer('ListPodSandbox', sandboxes.listPodSandbox),

    createContainer: answer('CreateContainer', containers.createContainer),
    startContainer: answer('StartContainer', containers.startContainer),
    stopContainer: answer('StopContainer', containers.stopContainer),
    removeContainer: answer('RemoveContainer', containers.removeContainer),
    listContainers: answer('ListContainers', containers.listContainers),
    containerStatus: answer('ContainerStatus', containers.containerStatusOf),
    reopenContainerLog: answer('ReopenContainerLog', containers.reopenContainerLog),
    execSync: answer('ExecSync', execSync),
    containerStats: answer('ContainerStats', stats.containerStatsOf),
    listContainerStats: answer('ListContainerStats', stats.listContainerStats),

    exec: unsupported('Exec'),
    attach: unsupported('Attach'),
    portForward: unsupported('PortForward'),
    updateContainerResources: unsupported('UpdateContainerResources'),
    updatePodSandboxResources: unsupported('UpdatePodSandboxResources'),
    podSandboxStats: unsupported('PodSandboxStats'),
    listPodSandboxStats: unsupported('ListPodSandboxStats'),
    checkpointContainer: unsupported('CheckpointContainer'),
    listMetricDescriptors: unsupported('ListMetricDescriptors'),
    listPodSandboxMetrics: unsupported('ListPodSandboxMetrics'),
    getContainerEvents: unsupportedStream('GetContainerEvents'),
    streamPodSandboxes: unsupportedStream('StreamPodSandboxes'),
    streamContainers: unsupportedStream('StreamContainers'),
    streamContainerStats: unsupportedStream('StreamContainerStats'),
    streamPodSandboxStats: unsupportedStream('StreamPodSandboxStats'),
    streamPodSandboxMetrics: unsupportedStream('StreamPodSandboxMetrics'),
  };
}
