import { BerthError } from '../base/errors.ts';
import type { Resources } from '../engine/container/spec.ts';

const CPU_PERIOD_US = 100_000;

/** The limits of a container in the kernel's units, with the devices that it may use. */
export function ociResources(resources: Resources, isPrivileged: boolean): Record<string, unknown> {
  const { memoryBytes, memorySwapBytes, pids, hugepageBytes, unified } = resources;
  const cpu = cpuOf(resources);
  const memory = {
    ...(memoryBytes === undefined ? {} : { limit: memoryBytes }),
    ...(memorySwapBytes === undefined ? {} : { swap: memorySwapBytes }),
  };
  const hugepages = Object.entries(hugepageBytes ?? {}).map(([pageSize, limit]) => ({ pageSize, limit }));
  return {
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
    ...(hugepages.length === 0 ? {} : { hugepageLimits: hugepages }),
    ...(isEmpty(unified ?? {}) ? {} : { unified }),
    devices: deviceRules(isPrivileged),
  };
}

/** Those that every cgroup has are the engine's: to write to them moves, freezes and kills processes. */
const UNIFIED_FILE = /^(?!cgroup\.)[a-z0-9_]+(?:\.[a-zA-Z0-9_]+)+$/;

/**
 * Refuses what this host cannot limit.
 * @throws BerthError InvalidArgument, Unsupported
 */
export function checkResources({ unified = {} }: Resources, cgroupMode: 'v1' | 'hybrid' | 'v2'): void {
  const [first] = Object.keys(unified);
  if (first === undefined) return;
  if (cgroupMode !== 'v2') {
    const message = `Cannot write "${first}": the controllers of this host are those of cgroup v1`;
    throw new BerthError('Unsupported', message, { field: 'resources.unified' });
  }
  const bad = Object.keys(unified).find((file) => !UNIFIED_FILE.test(file));
  if (bad === undefined) return;
  throw new BerthError('InvalidArgument', `Cannot write "${bad}": must be the file of a controller, as "memory.high"`, {
    field: 'resources.unified',
  });
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}

/** A new cgroup has no quota, so a quota of -1 is not written. */
function cpuOf({ cpus, cpuQuotaUs, cpuPeriodUs, cpuShares, cpusetCpus, cpusetMems }: Resources): object {
  const period = cpuPeriodUs ?? CPU_PERIOD_US;
  const quota = cpuQuotaUs ?? (cpus === undefined ? -1 : Math.round(cpus * period));
  return {
    ...(quota > 0 ? { quota } : {}),
    ...(quota > 0 || cpuPeriodUs !== undefined ? { period } : {}),
    ...(cpuShares === undefined ? {} : { shares: cpuShares }),
    ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { mems: cpusetMems }),
  };
}

/** Nodes may be made of any device, but only these work. @see runtime-spec config-linux.md, Default Devices */
function deviceRules(isPrivileged: boolean): Record<string, unknown>[] {
  if (isPrivileged) return [{ allow: true, access: 'rwm' }];
  const character = (major: number, minor?: number): Record<string, unknown> => ({
    allow: true,
    type: 'c',
    major,
    ...(minor === undefined ? {} : { minor }),
    access: 'rwm',
  });
  return [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', access: 'm' },
    { allow: true, type: 'b', access: 'm' },
    ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)), // null, zero, full, random, urandom
    ...[0, 1, 2].map((minor) => character(5, minor)), // tty, console, ptmx
    character(136), // pseudo-terminals
  ];
}
