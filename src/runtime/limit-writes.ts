import type { Resources } from '../engine/container/spec.ts';

/** One file of a cgroup and what is written to it. */
export interface LimitWrite {
  /** Its controller's name comes first: `memory.max`. */
  readonly file: string;
  readonly value: string;
  /** Of a cgroup below the container's. */
  readonly below?: string;
  /** A kernel that does not count it has no such file. */
  readonly isOptional?: boolean;
}

/** What the order of writes depends on. */
export interface LimitContext {
  /** On a hybrid host some controllers are v1's and others v2's. */
  readonly isV1: (controller: string) => boolean;
  /** The cgroups of commands that run in the container. */
  readonly below: readonly string[];
  /** Of v1's cpuset, as they are now. */
  readonly cpus: string | undefined;
  readonly mems: string | undefined;
}

const USUAL_PERIOD_US = 100_000;
const V1_NONE = '-1';
const V2_NONE = 'max';

/**
 * What is to be written to make one set of limits another one, in an order in which each write is allowed: a limit may
 * never be above or below another one, not even for a moment. Pure: tested as a table. The share of the processors of v2
 * is not among it, see `update.ts`.
 */
export function limitWrites(from: Resources, to: Resources, context: LimitContext): LimitWrite[] {
  return [
    ...memoryWrites(from, to, context),
    ...cpuWrites(from, to, context),
    ...cpusetWrites('cpus', from.cpusetCpus, to.cpusetCpus, context),
    ...cpusetWrites('mems', from.cpusetMems, to.cpusetMems, context),
    ...pidsWrites(from, to),
    ...hugepageWrites(from, to, context),
    ...unifiedWrites(from, to),
  ];
}

function memoryWrites(from: Resources, to: Resources, { isV1 }: LimitContext): LimitWrite[] {
  if (from.memoryBytes === to.memoryBytes && from.memorySwapBytes === to.memorySwapBytes) return [];
  return isV1('memory') ? v1Memory(from, to) : unifiedMemory(from, to);
}

/** Memory and swap together are never less than memory. @see kernel Documentation/admin-guide/cgroup-v1/memory.rst, 2.4 */
function v1Memory(from: Resources, to: Resources): LimitWrite[] {
  const limit = { file: 'memory.limit_in_bytes', value: String(to.memoryBytes ?? V1_NONE) };
  const both = {
    file: 'memory.memsw.limit_in_bytes',
    value: String(to.memorySwapBytes ?? V1_NONE),
    isOptional: true,
  };
  return orNone(to.memorySwapBytes) >= orNone(from.memorySwapBytes) ? [both, limit] : [limit, both];
}

/** The limit of swap is one by itself there. What must leave memory should find room in it first. */
function unifiedMemory(from: Resources, to: Resources): LimitWrite[] {
  const [before, after] = [swapOf(from), swapOf(to)];
  const memory = { file: 'memory.max', value: String(to.memoryBytes ?? V2_NONE) };
  const swap = { file: 'memory.swap.max', value: after === Infinity ? V2_NONE : String(after), isOptional: true };
  if (before === after) return [memory];
  return after > before ? [swap, memory] : [memory, swap];
}

function swapOf({ memoryBytes = 0, memorySwapBytes }: Resources): number {
  return orNone(memorySwapBytes) - memoryBytes;
}

function orNone(limit: number | undefined): number {
  return limit === undefined || limit === -1 ? Infinity : limit;
}

function cpuWrites(from: Resources, to: Resources, { isV1 }: LimitContext): LimitWrite[] {
  const shares =
    isV1('cpu') && to.cpuShares !== undefined && to.cpuShares !== from.cpuShares
      ? [{ file: 'cpu.shares', value: String(to.cpuShares) }]
      : [];
  const [before, after] = [quotaOf(from), quotaOf(to)];
  if (before.quota === after.quota && before.period === after.period) return shares;
  if (!isV1('cpu')) {
    const quota = after.quota < 0 ? V2_NONE : String(after.quota);
    return [...shares, { file: 'cpu.max', value: `${quota} ${after.period}` }];
  }
  const quota = { file: 'cpu.cfs_quota_us', value: String(after.quota) };
  const period = { file: 'cpu.cfs_period_us', value: String(after.period) };
  // The quotient may never be above that of the cgroup above.
  return [...shares, ...(after.period > before.period ? [period, quota] : [quota, period])];
}

function quotaOf({ cpus, cpuQuotaUs, cpuPeriodUs = USUAL_PERIOD_US }: Resources): {
  readonly quota: number;
  readonly period: number;
} {
  const quota = cpuQuotaUs ?? (cpus === undefined ? -1 : Math.round(cpus * cpuPeriodUs));
  return { quota: quota > 0 ? quota : -1, period: cpuPeriodUs };
}

/** v1 keeps the set of a cgroup around those of the cgroups below it: it is widened, they move, and it is narrowed. */
function cpusetWrites(
  kind: 'cpus' | 'mems',
  from: string | undefined,
  to: string | undefined,
  context: LimitContext,
): LimitWrite[] {
  if (to === undefined || to === from) return [];
  const file = `cpuset.${kind}`;
  const now = context[kind];
  if (!context.isV1('cpuset') || context.below.length === 0 || now === undefined) return [{ file, value: to }];
  return [
    { file, value: `${now},${to}` },
    ...context.below.map((below) => ({ file, value: to, below })),
    { file, value: to },
  ];
}

function pidsWrites(from: Resources, to: Resources): LimitWrite[] {
  if (from.pids === to.pids) return [];
  return [{ file: 'pids.max', value: to.pids === undefined || to.pids <= 0 ? V2_NONE : String(to.pids) }];
}

function hugepageWrites(from: Resources, to: Resources, { isV1 }: LimitContext): LimitWrite[] {
  const file = isV1('hugetlb') ? 'limit_in_bytes' : 'max';
  return Object.entries(to.hugepageBytes ?? {})
    .filter(([size, bytes]) => from.hugepageBytes?.[size] !== bytes)
    .map(([size, bytes]) => ({ file: `hugetlb.${size}.${file}`, value: String(bytes) }));
}

function unifiedWrites(from: Resources, to: Resources): LimitWrite[] {
  return Object.entries(to.unified ?? {})
    .filter(([file, value]) => from.unified?.[file] !== value)
    .map(([file, value]) => ({ file, value }));
}
