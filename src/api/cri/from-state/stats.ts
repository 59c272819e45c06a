import type { Pressure, PressureTimes } from '../../../base/usage.ts';
import type { ContainerRow } from '../../../engine/container/state.ts';
import type { ContainerUsage } from '../../../engine/index.ts';
import type { SnapshotUsage } from '../../../engine/ports.ts';
import type {
  ContainerStats,
  CpuUsage,
  FilesystemUsage,
  IoUsage,
  MemoryUsage,
  PsiData,
  PsiStats,
  SwapUsage,
  UInt64Value,
} from '../../../gen/cri/api.ts';
import { container } from './container.ts';
import { nanoseconds } from './time.ts';

/** A container's own layer, and the path by which a kubelet knows the file system that it is on. */
export interface WrittenLayer extends SnapshotUsage {
  readonly filesystem: string;
}

/**
 * What a container uses.
 * @param usage undefined when nothing of it runs; then only who it is is told, and what it has written
 */
export function containerStats(
  row: ContainerRow,
  usage: ContainerUsage | undefined,
  layer: WrittenLayer | undefined,
): ContainerStats {
  const { id, metadata, labels, annotations } = container(row);
  return {
    attributes: { id, metadata, labels, annotations },
    cpu: usage && cpuUsage(usage),
    memory: usage && memoryUsage(usage),
    writableLayer: layer && filesystemUsage(layer),
    swap: usage && swapUsage(usage),
    io: usage && ioUsage(usage),
  };
}

const NANO = 1_000_000_000;

export function cpuUsage({ at, cpuNs, cores, pressure }: ContainerUsage): CpuUsage {
  return {
    timestamp: nanoseconds(at),
    usageCoreNanoSeconds: count(cpuNs),
    usageNanoCores: count(cores === undefined ? undefined : cores * NANO),
    psi: psiStats(pressure?.cpu),
  };
}

export function memoryUsage(usage: ContainerUsage): MemoryUsage {
  return {
    timestamp: nanoseconds(usage.at),
    workingSetBytes: count(usage.workingSetBytes),
    availableBytes: count(left(usage.limitBytes, usage.workingSetBytes)),
    usageBytes: count(usage.usageBytes),
    rssBytes: count(usage.rssBytes),
    pageFaults: count(usage.pageFaults),
    majorPageFaults: count(usage.majorPageFaults),
    psi: psiStats(usage.pressure?.memory),
  };
}

/** The only thing that this message has beside its time. */
export function ioUsage({ at, pressure }: ContainerUsage): IoUsage | undefined {
  return pressure?.io === undefined ? undefined : { timestamp: nanoseconds(at), psi: psiStats(pressure.io) };
}

function swapUsage({ at, swapBytes, swapLimitBytes }: ContainerUsage): SwapUsage | undefined {
  if (swapBytes === undefined) return undefined;
  return {
    timestamp: nanoseconds(at),
    swapAvailableBytes: count(left(swapLimitBytes, swapBytes)),
    swapUsageBytes: count(swapBytes),
  };
}

function filesystemUsage({ at, usedBytes, usedInodes, filesystem }: WrittenLayer): FilesystemUsage {
  return {
    timestamp: nanoseconds(at),
    fsId: { mountpoint: filesystem },
    usedBytes: count(usedBytes),
    inodesUsed: count(usedInodes),
  };
}

/** What is left of a limit; without one nobody can say. */
function left(limit: number | undefined, used: number | undefined): number | undefined {
  return limit === undefined || used === undefined ? undefined : Math.max(0, limit - used);
}

function psiStats(pressure: Pressure | undefined): PsiStats | undefined {
  return pressure && { Full: psiData(pressure.full), Some: psiData(pressure.some) };
}

const NS_PER_US = 1_000n;

/** The kernel counts in µs, the CRI in ns. */
function psiData({ totalUs, avg10, avg60, avg300 }: PressureTimes): PsiData {
  return { Total: BigInt(totalUs) * NS_PER_US, Avg10: avg10, Avg60: avg60, Avg300: avg300 };
}

export function count(value: number | undefined): UInt64Value | undefined {
  return value === undefined ? undefined : { value: BigInt(Math.round(value)) };
}
