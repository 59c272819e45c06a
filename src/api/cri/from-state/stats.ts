import type { ContainerRow } from '../../../engine/container/state.ts';
import type { RunUsage } from '../../../engine/ports.ts';
import type { ContainerStats, CpuUsage, MemoryUsage, SwapUsage, UInt64Value } from '../../../gen/cri/api.ts';
import { container } from './container.ts';
import { nanoseconds } from './time.ts';

/**
 * What a container uses. A rate is not told: two looks at it make one, and whoever wants one looks twice.
 * @param usage undefined when nothing of it runs; then only who it is is told
 */
export function containerStats(row: ContainerRow, usage: RunUsage | undefined): ContainerStats {
  const { id, metadata, labels, annotations } = container(row);
  return {
    attributes: { id, metadata, labels, annotations },
    cpu: usage && cpuUsage(usage),
    memory: usage && memoryUsage(usage),
    writableLayer: undefined,
    swap: usage && swapUsage(usage),
    io: undefined,
  };
}

function cpuUsage({ at, cpuNs }: RunUsage): CpuUsage {
  return { timestamp: nanoseconds(at), usageCoreNanoSeconds: count(cpuNs), usageNanoCores: undefined, psi: undefined };
}

function memoryUsage(usage: RunUsage): MemoryUsage {
  return {
    timestamp: nanoseconds(usage.at),
    workingSetBytes: count(usage.workingSetBytes),
    availableBytes: count(availableBytes(usage)),
    usageBytes: count(usage.usageBytes),
    rssBytes: count(usage.rssBytes),
    pageFaults: count(usage.pageFaults),
    majorPageFaults: count(usage.majorPageFaults),
    psi: undefined,
  };
}

/** What is left of the limit; without a limit nobody can say. */
function availableBytes({ limitBytes, workingSetBytes }: RunUsage): number | undefined {
  if (limitBytes === undefined || workingSetBytes === undefined) return undefined;
  return Math.max(0, limitBytes - workingSetBytes);
}

function swapUsage({ at, swapBytes }: RunUsage): SwapUsage | undefined {
  if (swapBytes === undefined) return undefined;
  return { timestamp: nanoseconds(at), swapAvailableBytes: undefined, swapUsageBytes: count(swapBytes) };
}

function count(value: number | undefined): UInt64Value | undefined {
  return value === undefined ? undefined : { value: BigInt(Math.round(value)) };
}
