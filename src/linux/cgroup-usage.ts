import { readFileSync } from 'node:fs';
import { errnoOf, isMissing } from '../base/errors.ts';

/** What a cgroup has used, itself and what is below it. What the kernel does not tell is left out. */
export interface CgroupUsage {
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
  readonly processes?: number;
}

/** v1 writes the largest multiple of a page for "no limit". @see kernel include/linux/page_counter.h */
const V1_NO_LIMIT = 2 ** 62;

/** @param folder in the v2 tree. @see kernel Documentation/admin-guide/cgroup-v2.rst */
export function unifiedCpu(folder: string): CgroupUsage {
  const usec = keyed(`${folder}/cpu.stat`).get('usage_usec');
  return given({ cpuNs: usec === undefined ? undefined : usec * 1_000 });
}

/** @param folder of the controller cpuacct. @see kernel Documentation/admin-guide/cgroup-v1/cpuacct.rst */
export function v1Cpu(folder: string): CgroupUsage {
  return given({ cpuNs: number(`${folder}/cpuacct.usage`) });
}

export function unifiedMemory(folder: string): CgroupUsage {
  const stat = keyed(`${folder}/memory.stat`);
  const usageBytes = number(`${folder}/memory.current`);
  return given({
    usageBytes,
    workingSetBytes: workingSet(usageBytes, stat.get('inactive_file')),
    rssBytes: stat.get('anon'),
    limitBytes: number(`${folder}/memory.max`),
    pageFaults: stat.get('pgfault'),
    majorPageFaults: stat.get('pgmajfault'),
    swapBytes: number(`${folder}/memory.swap.current`),
  });
}

/** `total_`: with what is below. @see kernel Documentation/admin-guide/cgroup-v1/memory.rst, 5.2 */
export function v1Memory(folder: string): CgroupUsage {
  const stat = keyed(`${folder}/memory.stat`);
  const usageBytes = number(`${folder}/memory.usage_in_bytes`);
  const limit = number(`${folder}/memory.limit_in_bytes`);
  return given({
    usageBytes,
    workingSetBytes: workingSet(usageBytes, stat.get('total_inactive_file')),
    rssBytes: stat.get('total_rss'),
    limitBytes: limit === undefined || limit >= V1_NO_LIMIT ? undefined : limit,
    pageFaults: stat.get('total_pgfault'),
    majorPageFaults: stat.get('total_pgmajfault'),
    swapBytes: stat.get('total_swap'),
  });
}

/** The two are not read at the same moment. */
function workingSet(usage: number | undefined, inactiveFile = 0): number | undefined {
  return usage === undefined ? undefined : Math.max(0, usage - inactiveFile);
}

function given(values: { readonly [key in keyof CgroupUsage]: number | undefined }): CgroupUsage {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Undefined for `max` too. */
function number(file: string): number | undefined {
  const text = read(file)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A file with a name and a number on each line. */
function keyed(file: string): ReadonlyMap<string, number> {
  const lines = (read(file) ?? '').split('\n').map((line) => line.split(' '));
  return new Map(lines.map(([name = '', value]) => [name, Number(value)]));
}

/** A cgroup may vanish at any moment, and a controller need not be there. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENODEV' || errnoOf(error) === 'EOPNOTSUPP') return undefined;
    throw error;
  }
}
