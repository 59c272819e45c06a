/** Shapes of what processes use, as the kernel counts it. What it does not tell is left out. */

/** What the processes of a cgroup use, and have used since it was made; what is below it is included. */
export interface Usage {
  /** ns of processor time. */
  readonly cpuNs?: number;
  /** Without what the kernel would give up at once: usage less inactive file pages. */
  readonly workingSetBytes?: number;
  readonly usageBytes?: number;
  /** Memory that belongs to no file. */
  readonly rssBytes?: number;
  /** Left out: no limit. */
  readonly limitBytes?: number;
  readonly pageFaults?: number;
  readonly majorPageFaults?: number;
  readonly swapBytes?: number;
  /** Of swap alone. Left out: no limit. */
  readonly swapLimitBytes?: number;
  readonly processes?: number;
  readonly pressure?: Pressures;
}

/** For how long work stood still because something was short. */
export interface Pressures {
  readonly cpu?: Pressure;
  readonly memory?: Pressure;
  readonly io?: Pressure;
}

export interface Pressure {
  /** At least one process waited. */
  readonly some: PressureTimes;
  /** All of them waited. */
  readonly full: PressureTimes;
}

export interface PressureTimes {
  /** µs since the cgroup was made. */
  readonly totalUs: number;
  /** Percent of the last 10, 60 and 300 s. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
}

/** What only those look at who draw curves of it. */
export interface UsageDetails extends Usage {
  readonly userCpuNs?: number;
  readonly systemCpuNs?: number;
  /** Of the processor quota: periods that have passed, those in which it was used up, and the ns spent waiting then. */
  readonly periods?: number;
  readonly throttledPeriods?: number;
  readonly throttledNs?: number;
  readonly cacheBytes?: number;
  readonly mappedFileBytes?: number;
  readonly kernelBytes?: number;
  readonly mostUsageBytes?: number;
  /** How often the limit of memory was reached. */
  readonly limitHits?: number;
  readonly oomKills?: number;
  readonly threads?: number;
  /** Left out: no limit. */
  readonly mostThreads?: number;
  readonly devices: readonly DeviceUsage[];
  readonly hugepages: readonly HugepageUsage[];
}

/** What was read from and written to a block device. */
export interface DeviceUsage {
  /** `/dev/vda`; its numbers, `254:0`, when it has no name. */
  readonly device: string;
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
}

export interface HugepageUsage {
  /** As the kernel writes it: `2MB`. */
  readonly pageSize: string;
  readonly bytes: number;
  readonly mostBytes?: number;
}

/** What a network interface has transferred since it was made. */
export interface InterfaceUsage {
  readonly name: string;
  readonly received: Traffic;
  readonly sent: Traffic;
}

export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}
