import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { isMissing } from '../base/errors.ts';
import type { Counters } from '../engine/ports.ts';
import type { CgroupLayout } from '../linux/cgroup-layout.ts';

/** Finds out what this host's cgroups count, before there is one to look at. */
export function readCounters({ controllers, unified }: CgroupLayout): Counters {
  const hugepages = hasHugepages() && (controllers.has('hugetlb') || hasUnified(unified, 'hugetlb'));
  return {
    pressure: unified !== undefined && hasPressure(),
    hugepages,
    mostHugepages: hugepages && controllers.has('hugetlb'),
    mostMemory: controllers.has('memory') || keepsPeaks(unified),
  };
}

/** A kernel that could keep it but was not told to has the files, and says "not supported" when they are read. */
function hasPressure(): boolean {
  try {
    return readFileSync('/proc/pressure/cpu', 'utf8') !== '';
  } catch {
    return false; // whatever the reason, nobody will read it
  }
}

function hasHugepages(): boolean {
  try {
    return readdirSync('/sys/kernel/mm/hugepages').length > 0;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function hasUnified(unified: string | undefined, controller: string): boolean {
  if (unified === undefined) return false;
  return readFileSync(`${unified}/cgroup.controllers`, 'utf8').split(/\s/).includes(controller);
}

/** Since Linux 5.19, and where a distributor has added it: the daemon's own cgroup has it then. */
function keepsPeaks(unified: string | undefined): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 19)) return true;
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  return unified !== undefined && existsSync(`${unified}${own ?? ''}/memory.peak`);
}
