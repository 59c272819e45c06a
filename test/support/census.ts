import { readFileSync, readdirSync } from 'node:fs';

/** What tests could leave on the host: processes, mounts (pinned namespaces are mounts too), cgroups, loop devices. */
export interface HostCensus {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly loops: readonly string[];
}

/** What tests put into command lines and cgroup paths. */
const OURS = /\/tmp\/b[a-z]-|berth-test|berth-fs-|berth-fuse-|berth-run-/;

export function hostCensus(): HostCensus {
  return {
    processes: processes(),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => /\/tmp\/b[a-z]-|berth/.test(line)),
    cgroups: cgroups('/sys/fs/cgroup', 0).filter((path) => path.includes('berth')),
    loops: readdirSync('/sys/block').filter((name) => {
      if (!name.startsWith('loop')) return false;
      return read(`/sys/block/${name}/loop/backing_file`) !== undefined;
    }),
  };
}

/** By command line or cgroup. Zombies are left out: PID 1 of a test machine need not reap. */
function processes(): string[] {
  return pids().flatMap((pid) => {
    const stat = read(`/proc/${pid}/stat`) ?? '';
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    const command = (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ');
    const isOurs = OURS.test(command) || OURS.test(read(`/proc/${pid}/cgroup`) ?? '');
    return isOurs && state !== 'Z' && Number(pid) !== process.pid ? [command.slice(0, 120)] : [];
  });
}

function pids(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function cgroups(folder: string, depth: number): string[] {
  if (depth > 3) return [];
  try {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return inside.flatMap(({ name }) => [`${folder}/${name}`, ...cgroups(`${folder}/${name}`, depth + 1)]);
  } catch {
    return []; // it was removed meanwhile
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
