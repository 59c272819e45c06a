import type { DeviceUsage, HugepageUsage, Usage, UsageDetails } from '../base/usage.ts';
import { deviceName } from './block-device.ts';
import type { CgroupLook } from './cgroup-look.ts';
import { given, multiply } from './cgroup-usage.ts';

/** Adds to what its processes use everything else that the kernel counts of them. */
export function readDetails(look: CgroupLook, usage: Usage): UsageDetails {
  return {
    ...usage,
    ...given({
      ...cpuDetails(look),
      ...(look.isV1('memory') ? v1Memory(look) : unifiedMemory(look)),
      threads: look.number('pids.current'),
      mostThreads: look.number('pids.max'),
    }),
    devices: look.isV1('blkio') ? v1Devices(look) : unifiedDevices(look),
    hugepages: hugepages(look),
  };
}

type Fields = { readonly [Key in keyof UsageDetails]?: UsageDetails[Key] | undefined };

/** v1 counts in ns, v2 in µs. */
function cpuDetails(look: CgroupLook): Fields {
  const stat = look.keyed('cpu.stat');
  return {
    userCpuNs: look.isV1('cpuacct') ? look.number('cpuacct.usage_user') : multiply(stat.get('user_usec'), 1_000),
    systemCpuNs: look.isV1('cpuacct') ? look.number('cpuacct.usage_sys') : multiply(stat.get('system_usec'), 1_000),
    periods: stat.get('nr_periods'),
    throttledPeriods: stat.get('nr_throttled'),
    throttledNs: stat.get('throttled_time') ?? multiply(stat.get('throttled_usec'), 1_000),
  };
}

/** `kernel` is the sum of the others since Linux 5.18, and `memory.peak` there is since 5.19. */
function unifiedMemory(look: CgroupLook): Fields {
  const stat = look.keyed('memory.stat');
  const events = look.keyed('memory.events');
  const parts = ['kernel_stack', 'pagetables', 'percpu', 'slab'].map((name) => stat.get(name) ?? 0);
  return {
    cacheBytes: stat.get('file'),
    mappedFileBytes: stat.get('file_mapped'),
    kernelBytes: stat.get('kernel') ?? (stat.size > 1 ? parts.reduce((sum, part) => sum + part) : undefined),
    mostUsageBytes: look.number('memory.peak'),
    limitHits: events.get('max'),
    oomKills: events.get('oom_kill'),
  };
}

function v1Memory(look: CgroupLook): Fields {
  const stat = look.keyed('memory.stat');
  return {
    cacheBytes: stat.get('total_cache'),
    mappedFileBytes: stat.get('total_mapped_file'),
    kernelBytes: look.number('memory.kmem.usage_in_bytes'),
    mostUsageBytes: look.number('memory.max_usage_in_bytes'),
    limitHits: look.number('memory.failcnt'),
    oomKills: look.keyed('memory.oom_control').get('oom_kill'),
  };
}

/** `254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`; a device that was not used may have its numbers only. */
function unifiedDevices(look: CgroupLook): DeviceUsage[] {
  return (look.text('io.stat') ?? '').split('\n').flatMap((line): DeviceUsage[] => {
    const [numbers = '', ...pairs] = line.split(' ').filter(Boolean);
    const values = new Map(pairs.map((pair) => pair.split('=')).map(([name = '', value]) => [name, Number(value)]));
    if (values.size === 0) return [];
    const of = (name: string): number => values.get(name) ?? 0;
    return [deviceUsage(numbers, of('rbytes'), of('wbytes'), of('rios'), of('wios'))];
  });
}

/**
 * `254:0 Read 4096`; the file ends with a line of the total of all. What the throttle counts is there whichever
 * scheduler a device has. @see kernel Documentation/admin-guide/cgroup-v1/blkio-controller.rst
 */
function v1Devices(look: CgroupLook): DeviceUsage[] {
  const [bytes, counts] = ['io_service_bytes', 'io_serviced'].map((name) => {
    const lines = (look.text(`blkio.throttle.${name}_recursive`) ?? '').split('\n').map((line) => line.split(' '));
    return new Map(
      lines.filter((words) => words.length === 3).map(([device, kind, n]) => [`${device} ${kind}`, Number(n)]),
    );
  });
  const devices = new Set([...(bytes?.keys() ?? [])].map((key) => key.split(' ')[0] ?? ''));
  return [...devices].map((numbers) => {
    const [read, write] = [`${numbers} Read`, `${numbers} Write`];
    return deviceUsage(
      numbers,
      bytes?.get(read) ?? 0,
      bytes?.get(write) ?? 0,
      counts?.get(read) ?? 0,
      counts?.get(write) ?? 0,
    );
  });
}

function deviceUsage(
  numbers: string,
  readBytes: number,
  writtenBytes: number,
  reads: number,
  writes: number,
): DeviceUsage {
  const [major = 0, minor = 0] = numbers.split(':').map(Number);
  return { device: deviceName(major, minor), major, minor, readBytes, writtenBytes, reads, writes };
}

/** v2 does not keep the most. */
function hugepages(look: CgroupLook): HugepageUsage[] {
  const isV1 = look.isV1('hugetlb');
  const file = isV1 ? /^hugetlb\.(\d+[KMG]B)\.usage_in_bytes$/ : /^hugetlb\.(\d+[KMG]B)\.current$/;
  return look.names('hugetlb').flatMap((name): HugepageUsage[] => {
    const pageSize = file.exec(name)?.[1];
    const bytes = pageSize === undefined ? undefined : look.number(name);
    if (pageSize === undefined || bytes === undefined) return [];
    const mostBytes = isV1 ? look.number(`hugetlb.${pageSize}.max_usage_in_bytes`) : undefined;
    return [{ pageSize, bytes, ...(mostBytes === undefined ? {} : { mostBytes }) }];
  });
}
