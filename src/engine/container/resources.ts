import { BerthError } from '../../base/errors.ts';
import type { Resources } from './spec.ts';

/** As with other engines: with less a runtime cannot even make the container. */
const LEAST_MEMORY_BYTES = 6 << 20;
const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** @throws BerthError InvalidArgument naming the first field that can never work */
export function checkResources(resources: Resources, verb: string): void {
  const { memoryBytes, memorySwapBytes = -1, cpusetCpus, cpusetMems, ...cpu } = resources;
  const refuse = (field: string, found: string, wanted: string): never => {
    const message = `Cannot ${verb} container: resources.${field} is ${found}, must be ${wanted}`;
    throw new BerthError('InvalidArgument', message, { field: `resources.${field}` });
  };
  if (memoryBytes !== undefined && memoryBytes < LEAST_MEMORY_BYTES) {
    refuse('memoryBytes', String(memoryBytes), `at least ${LEAST_MEMORY_BYTES}, or nothing starts in it`);
  }
  if (memorySwapBytes !== -1 && memorySwapBytes < (memoryBytes ?? Infinity)) {
    const wanted = 'memory and swap together: at least resources.memoryBytes, which has to be there';
    refuse('memorySwapBytes', String(memorySwapBytes), wanted);
  }
  if (cpusetCpus !== undefined && !CPU_LIST.test(cpusetCpus)) {
    refuse('cpusetCpus', `"${cpusetCpus}"`, 'a list like 0-1,3');
  }
  if (cpusetMems !== undefined && !CPU_LIST.test(cpusetMems)) {
    refuse('cpusetMems', `"${cpusetMems}"`, 'a list like 0-1,3');
  }
  if (cpu.cpus !== undefined && (cpu.cpuQuotaUs ?? cpu.cpuPeriodUs) !== undefined) {
    refuse('cpus', 'beside a quota or a period', 'left out then: it stands for both');
  }
}

/**
 * The limits after a change: what it names is as it says, everything else is as it was. A limit of memory that moves
 * takes its swap along, so that there is as much of that as before. Pure: tested as a table.
 * @param change -1 for memory or its swap takes the limit away
 */
export function mergeResources(before: Resources, change: Resources): Resources {
  const { hugepageBytes, unified } = change;
  return withoutUndefined({
    ...before,
    ...quotaOf(before, change),
    ...change,
    ...memoryOf(before, change),
    hugepageBytes: hugepageBytes === undefined ? before.hugepageBytes : { ...before.hugepageBytes, ...hugepageBytes },
    unified: unified === undefined ? before.unified : { ...before.unified, ...unified },
  });
}

type Fields = { readonly [Key in keyof Resources]?: Resources[Key] | undefined };

function memoryOf(before: Resources, change: Resources): Fields {
  const { memoryBytes = before.memoryBytes, memorySwapBytes } = change;
  if (memoryBytes === undefined || memoryBytes === -1) return { memoryBytes: undefined, memorySwapBytes: undefined };
  return { memoryBytes, memorySwapBytes: memorySwapBytes ?? movedSwap(before, memoryBytes) };
}

function movedSwap({ memoryBytes, memorySwapBytes }: Resources, moved: number): number | undefined {
  if (memoryBytes === undefined || memorySwapBytes === undefined || memorySwapBytes === -1) return memorySwapBytes;
  return moved + (memorySwapBytes - memoryBytes);
}

/** Processors' worth and a quota say the same in two ways: the later one holds. */
function quotaOf({ cpus, cpuPeriodUs }: Resources, change: Resources): Fields {
  const saysQuota = change.cpuQuotaUs !== undefined || change.cpuPeriodUs !== undefined;
  if (change.cpus !== undefined) return { cpuQuotaUs: undefined, cpuPeriodUs: undefined };
  if (!saysQuota || cpus === undefined) return {};
  const period = change.cpuPeriodUs ?? cpuPeriodUs ?? USUAL_PERIOD_US;
  return { cpus: undefined, cpuQuotaUs: Math.round(cpus * period), cpuPeriodUs: period };
}

/** The kernel's. */
const USUAL_PERIOD_US = 100_000;

function withoutUndefined(fields: Fields): Resources {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
