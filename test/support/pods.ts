import type { TestContext } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type {
  ContainerConfig,
  ContainerStatus,
  LinuxContainerResources,
  PodSandboxConfig,
  PodSandboxStatus,
} from '../../src/gen/cri/api.ts';
import {
  ContainerConfig as ContainerConfigType,
  ContainerState,
  ImageSpec,
  LinuxContainerSecurityContext,
  LinuxContainerConfig,
  LinuxContainerResources as LinuxContainerResourcesType,
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
  NamespaceMode,
  NamespaceOption,
  PodSandboxConfig as PodSandboxConfigType,
} from '../../src/gen/cri/api.ts';
import { Cri, message } from './cri.ts';
import type { Daemon, DaemonOptions } from './daemon.ts';
import { story } from './daemon.ts';

type Mode = (typeof NamespaceMode)[keyof typeof NamespaceMode];

/** Whose namespaces a pod or a container uses; a pod's own network and a container's own processes unless it is said. */
export function namespaces(given: { readonly network?: Mode; readonly pid?: Mode; readonly ipc?: Mode } = {}) {
  const { POD, CONTAINER } = NamespaceMode;
  return message(NamespaceOption, { network: POD, pid: CONTAINER, ipc: POD, ...given });
}

/** A kubelet's view of one daemon: pods and containers by their ids. */
export class Pods implements Disposable {
  readonly cri: Cri;
  readonly daemon: Daemon;
  #made = 0;

  constructor(daemon: Daemon) {
    this.daemon = daemon;
    this.cri = new Cri(`${daemon.root}/run/cri.sock`);
  }

  [Symbol.dispose](): void {
    this.cri[Symbol.dispose]();
  }

  config(given: Partial<PodSandboxConfig> = {}, options: Parameters<typeof namespaces>[0] = {}): PodSandboxConfig {
    this.#made += 1;
    const name = `pod-${this.#made}`;
    return message(PodSandboxConfigType, {
      metadata: { name, namespace: 'default', uid: `uid-${name}`, attempt: 0 },
      logDirectory: `${this.daemon.root}/pod-logs/${name}`,
      linux: message(LinuxPodSandboxConfig, {
        securityContext: message(LinuxSandboxSecurityContext, { namespaceOptions: namespaces(options) }),
      }),
      ...given,
    });
  }

  async run(config: PodSandboxConfig): Promise<string> {
    return (await this.cri.runtime.runPodSandbox({ config, runtimeHandler: '' })).podSandboxId;
  }

  /** A shell in busybox, unless the config says what to run. */
  container(script: string, given: Partial<ContainerConfig> = {}, options: Parameters<typeof namespaces>[0] = {}) {
    return message(ContainerConfigType, {
      metadata: { name: 'main', attempt: 0 },
      image: message(ImageSpec, { image: 'busybox' }),
      command: ['/bin/sh', '-c', script],
      logPath: 'main.log',
      linux: message(LinuxContainerConfig, {
        securityContext: message(LinuxContainerSecurityContext, { namespaceOptions: namespaces(options) }),
      }),
      ...given,
    });
  }

  async create(podSandboxId: string, sandboxConfig: PodSandboxConfig, config: ContainerConfig): Promise<string> {
    return (await this.cri.runtime.createContainer({ podSandboxId, config, sandboxConfig })).containerId;
  }

  async start(containerId: string): Promise<void> {
    await this.cri.runtime.startContainer({ containerId });
  }

  /** Makes a pod and starts one container in it. */
  async launch(
    script: string,
    given: { readonly config?: PodSandboxConfig; readonly container?: Partial<ContainerConfig> } = {},
  ): Promise<{ readonly pod: string; readonly container: string; readonly config: PodSandboxConfig }> {
    const config = given.config ?? this.config();
    const pod = await this.run(config);
    const container = await this.create(pod, config, this.container(script, given.container));
    await this.start(container);
    return { pod, container, config };
  }

  async status(containerId: string): Promise<ContainerStatus> {
    const { status } = await this.cri.runtime.containerStatus({ containerId, verbose: false });
    if (status === undefined) throw new Error(`container ${containerId} has no status`);
    return status;
  }

  async podStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const { status } = await this.cri.runtime.podSandboxStatus({ podSandboxId, verbose: false });
    if (status === undefined) throw new Error(`pod ${podSandboxId} has no status`);
    return status;
  }

  async update(containerId: string, given: Partial<LinuxContainerResources>): Promise<void> {
    const linux = message(LinuxContainerResourcesType, given);
    const request = { containerId, linux, windows: undefined, annotations: {} };
    await this.cri.runtime.updateContainerResources(request);
  }

  async updatePod(podSandboxId: string, given: Partial<LinuxContainerResources>): Promise<void> {
    const resources = message(LinuxContainerResourcesType, given);
    await this.cri.runtime.updatePodSandboxResources({ podSandboxId, overhead: undefined, resources });
  }

  async untilExited(containerId: string): Promise<ContainerStatus> {
    for (;;) {
      const status = await this.status(containerId);
      if (status.state === ContainerState.CONTAINER_EXITED) return status;
      await sleepFor(5);
    }
  }

  async exec(containerId: string, ...cmd: string[]): Promise<string> {
    const { stdout } = await this.cri.runtime.execSync({ containerId, cmd, timeout: 30n });
    return Buffer.from(stdout).toString();
  }

  async stop(podSandboxId: string): Promise<void> {
    await this.cri.runtime.stopPodSandbox({ podSandboxId });
  }

  async remove(podSandboxId: string): Promise<void> {
    await this.cri.runtime.removePodSandbox({ podSandboxId });
  }
}

/** In a network namespace of its own a daemon may make bridges and rules as it likes, and all of it goes with it. */
export const ownNetwork: DaemonOptions = {
  wrap: ['unshare', '--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', '-'],
  config: '[network]\nconf_dir = "ROOT/net.d"\nbuiltin = true',
};

/** A story with a kubelet's client. */
export function podStory(
  name: string,
  options: DaemonOptions,
  body: (pods: Pods, daemon: Daemon, t: TestContext) => Promise<void>,
): void {
  story(name, options, async (daemon, t) => {
    using pods = new Pods(daemon);
    await body(pods, daemon, t);
  });
}
