import { readFileSync, readdirSync, statSync } from 'node:fs';
import { arch } from 'node:process';
import { deviceNumbers } from '../linux/block-device.ts';
import type { CgroupLayout } from '../linux/cgroup-layout.ts';
import { boundingCapabilities } from './capabilities.ts';
import type { HostAbilities, HostDevice } from './oci-spec.ts';

/** Reads what this process may hand on to containers. Nothing is taken for granted: not every root is the whole root. */
export function readHostAbilities(layout: CgroupLayout): HostAbilities {
  const bounding = boundingCapabilities();
  const isUnlimited = bounding.includes('CAP_SYS_RESOURCE');
  return {
    bounding,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    mayLowerOomScoreAdj: isUnlimited,
    hardLimits: isUnlimited ? undefined : readHardLimits(readFileSync('/proc/self/limits', 'utf8')),
    architecture: arch,
    cgroupMode: layout.mode,
    devices: readDevices('/dev'),
  };
}

/** The kernel's names for people, and setrlimit's. @see proc_pid_limits(5) */
const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max stack size': 'stack',
  'Max core file size': 'core',
  'Max resident set': 'rss',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max locked memory': 'memlock',
  'Max address space': 'as',
  'Max file locks': 'locks',
  'Max pending signals': 'sigpending',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
};

export const RLIMIT_NAMES: readonly string[] = Object.values(LIMIT_NAMES);

/** Each line: the name in 26 columns, then soft, hard and unit. */
function readHardLimits(text: string): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const line of text.split('\n')) {
    const name = LIMIT_NAMES[line.slice(0, 25).trim()];
    const hard = line.slice(25).trim().split(/\s+/)[1];
    if (name !== undefined && hard !== undefined && hard !== 'unlimited') limits.set(name, Number(hard));
  }
  return limits;
}

/** Terminals and shared memory are the container's own, whatever it may do. */
const OWN_IN_CONTAINER = new Set(['pts', 'shm', 'fd', 'mqueue', 'console', '.lxc', '.lxd-mounts', '.udev']);

function readDevices(folder: string): HostDevice[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): HostDevice[] => {
    const path = `${folder}/${entry.name}`;
    if (folder === '/dev' && OWN_IN_CONTAINER.has(entry.name)) return [];
    if (entry.isDirectory()) return readDevices(path);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const { rdev, mode } = statSync(path);
    return [{ path, type: entry.isBlockDevice() ? 'b' : 'c', ...deviceNumbers(rdev), mode: mode & 0o777 }];
  });
}
