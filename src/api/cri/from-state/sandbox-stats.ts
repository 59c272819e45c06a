import type { InterfaceUsage } from '../../../base/usage.ts';
import type { SandboxUsage } from '../../../engine/index.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import type { ContainerStats, NetworkInterfaceUsage, NetworkUsage, PodSandboxStats } from '../../../gen/cri/api.ts';
import { podSandbox } from './sandbox.ts';
import { count, cpuUsage, ioUsage, memoryUsage } from './stats.ts';
import { nanoseconds } from './time.ts';

/**
 * What a pod uses, with its containers.
 * @param usage undefined when it is not ready; then only who it is is told
 */
export function podSandboxStats(
  row: SandboxRow,
  usage: SandboxUsage | undefined,
  containers: readonly ContainerStats[],
): PodSandboxStats {
  const { id, metadata, labels, annotations } = podSandbox(row);
  return {
    attributes: { id, metadata, labels, annotations },
    linux: usage && {
      cpu: cpuUsage(usage),
      memory: memoryUsage(usage),
      network: usage.interfaces && networkUsage(usage.at, usage.interfaces),
      process: { timestamp: nanoseconds(usage.at), processCount: count(usage.processes) },
      containers: [...containers],
      io: ioUsage(usage),
    },
    windows: undefined,
  };
}

/** What a kubelet takes for a pod's own, and what every network plugin calls it. @see CNI's CNI_IFNAME */
const USUAL_NAME = 'eth0';

function networkUsage(at: number, interfaces: readonly InterfaceUsage[]): NetworkUsage {
  const usual = defaultInterface(interfaces);
  return {
    timestamp: nanoseconds(at),
    defaultInterface: usual && interfaceUsage(usual),
    interfaces: interfaces.filter((each) => each !== usual).map(interfaceUsage),
  };
}

/** Where none has the usual name, the first one. */
function defaultInterface(interfaces: readonly InterfaceUsage[]): InterfaceUsage | undefined {
  return interfaces.find(({ name }) => name === USUAL_NAME) ?? interfaces[0];
}

function interfaceUsage({ name, received, sent }: InterfaceUsage): NetworkInterfaceUsage {
  return {
    name,
    rxBytes: count(received.bytes),
    rxErrors: count(received.errors),
    txBytes: count(sent.bytes),
    txErrors: count(sent.errors),
  };
}
