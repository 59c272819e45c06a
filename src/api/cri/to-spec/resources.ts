import type { Resources } from '../../../engine/container/spec.ts';
import type { LinuxContainerResources } from '../../../gen/cri/api.ts';
import { given, sorted, textOrNothing } from '../given.ts';

/** Zero and empty mean that nothing was said. */
export function resourcesOf(asked: LinuxContainerResources | undefined): Resources {
  return asked === undefined ? {} : changeOf(asked, {});
}

/** What is to be changed; the score of its processes stays what it is. */
export function changeOf(asked: LinuxContainerResources, before: Resources): Resources {
  const memoryBytes = limitOf(asked.memoryLimitInBytes);
  return given({
    memoryBytes,
    // without a word about swap a container with a limit gets none, as a pod's is meant for all that it uses
    memorySwapBytes:
      limitOf(asked.memorySwapLimitInBytes) ?? (before.memoryBytes === undefined ? memoryBytes : undefined),
    cpuQuotaUs: limitOf(asked.cpuQuota),
    cpuPeriodUs: limitOf(asked.cpuPeriod),
    cpuShares: limitOf(asked.cpuShares),
    cpusetCpus: textOrNothing(asked.cpusetCpus),
    cpusetMems: textOrNothing(asked.cpusetMems),
    hugepageBytes: hugepagesOf(asked),
    unified: Object.keys(asked.unified).length === 0 ? undefined : sorted(asked.unified),
  });
}

/** What is too large to be counted in bytes by anybody is no limit. */
function limitOf(value: bigint): number | undefined {
  return value === 0n || value > Number.MAX_SAFE_INTEGER ? undefined : Number(value);
}

/** A limit of zero is one here: a pod that asks for no huge pages gets none. */
function hugepagesOf({ hugepageLimits }: LinuxContainerResources): Readonly<Record<string, number>> | undefined {
  const counted = hugepageLimits.filter(({ limit }) => limit <= Number.MAX_SAFE_INTEGER);
  if (counted.length === 0) return undefined;
  return sorted(Object.fromEntries(counted.map(({ pageSize, limit }) => [pageSize, Number(limit)])));
}
