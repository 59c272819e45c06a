import type { Pressure, Pressures, PressureTimes, Usage } from '../base/usage.ts';
import type { CgroupLook } from './cgroup-look.ts';

/** v1 writes the largest multiple of a page for "no limit". @see kernel include/linux/page_counter.h */
const V1_NO_LIMIT = 2 ** 62;

/** What its processes use; the caller knows how many they are. */
export function readUsage(look: CgroupLook): Usage {
  return given({
    cpuNs: cpuNs(look),
    ...(look.isV1('memory') ? v1Memory(look) : unifiedMemory(look)),
    pressure: readPressures(look),
  });
}

/** @see kernel Documentation/admin-guide/cgroup-v1/cpuacct.rst and cgroup-v2.rst */
function cpuNs(look: CgroupLook): number | undefined {
  if (look.isV1('cpuacct')) return look.number('cpuacct.usage');
  return multiply(look.keyed('cpu.stat').get('usage_usec'), 1_000);
}

type Fields = { readonly [Key in keyof Usage]: Usage[Key] | undefined };

function unifiedMemory(look: CgroupLook): Fields {
  const stat = look.keyed('memory.stat');
  const usageBytes = look.number('memory.current');
  return {
    usageBytes,
    workingSetBytes: workingSet(usageBytes, stat.get('inactive_file')),
    rssBytes: stat.get('anon'),
    limitBytes: look.number('memory.max'),
    pageFaults: stat.get('pgfault'),
    majorPageFaults: stat.get('pgmajfault'),
    swapBytes: look.number('memory.swap.current'),
    swapLimitBytes: look.number('memory.swap.max'),
  };
}

/** `total_`: with what is below. @see kernel Documentation/admin-guide/cgroup-v1/memory.rst, 5.2 */
function v1Memory(look: CgroupLook): Fields {
  const stat = look.keyed('memory.stat');
  const usageBytes = look.number('memory.usage_in_bytes');
  const limitBytes = v1Limit(look.number('memory.limit_in_bytes'));
  const withSwap = v1Limit(look.number('memory.memsw.limit_in_bytes'));
  return {
    usageBytes,
    workingSetBytes: workingSet(usageBytes, stat.get('total_inactive_file')),
    rssBytes: stat.get('total_rss'),
    limitBytes,
    pageFaults: stat.get('total_pgfault'),
    majorPageFaults: stat.get('total_pgmajfault'),
    swapBytes: stat.get('total_swap'),
    swapLimitBytes: withSwap === undefined ? undefined : withSwap - (limitBytes ?? withSwap),
  };
}

function v1Limit(value: number | undefined): number | undefined {
  return value === undefined || value >= V1_NO_LIMIT ? undefined : value;
}

/** The two are not read at the same moment. */
function workingSet(usage: number | undefined, inactiveFile = 0): number | undefined {
  return usage === undefined ? undefined : Math.max(0, usage - inactiveFile);
}

/**
 * Every cgroup of the v2 tree has them, also where the controllers are v1's. The kernel may not keep them at all.
 * @see kernel Documentation/accounting/psi.rst
 */
function readPressures(look: CgroupLook): Pressures | undefined {
  const pressures = given({
    cpu: parsePressure(look.text('cpu.pressure')),
    memory: parsePressure(look.text('memory.pressure')),
    io: parsePressure(look.text('io.pressure')),
  });
  return Object.keys(pressures).length === 0 ? undefined : pressures;
}

const NO_TIMES: PressureTimes = { totalUs: 0, avg10: 0, avg60: 0, avg300: 0 };

/** Kernels before 5.13 have no line `full` for the processor. */
function parsePressure(text: string | undefined): Pressure | undefined {
  if (text === undefined) return undefined;
  const lines = text.split('\n').map((line): readonly [string, PressureTimes] => {
    const [kind = '', ...pairs] = line.split(' ');
    const values = new Map(pairs.map((pair) => pair.split('=')).map(([name = '', value]) => [name, Number(value)]));
    const of = (name: string): number => values.get(name) ?? 0;
    return [kind, { totalUs: of('total'), avg10: of('avg10'), avg60: of('avg60'), avg300: of('avg300') }];
  });
  const kinds = new Map(lines);
  return { some: kinds.get('some') ?? NO_TIMES, full: kinds.get('full') ?? NO_TIMES };
}

export function multiply(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

type Given<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Leaves out what is undefined. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}
