import { readFileSync, readdirSync } from 'node:fs';

/** What tests could leave on the host: processes, mounts (pinned namespaces are mounts too), cgroups, loop devices. */
export interface HostCensus {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly loops: readonly string[];
}

/** What tests put into command lines, mounts and cgroup paths. */
const OF_TESTS = /\/tmp\/b[a-z]-|berth/;

/** @param whose one that has it in its command line or cgroup, its line in the mount table, its path or its file counts */
export function hostCensus(whose = OF_TESTS): HostCensus {
  return {
    processes: processes(whose),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => whose.test(line)),
    cgroups: cgroups('/sys/fs/cgroup', 0).filter((path) => whose.test(path)),
    loops: readdirSync('/sys/block').flatMap((name) => {
      const file = read(`/sys/block/${name}/loop/backing_file`);
      return file !== undefined && whose.test(file) ? [`${name} ${file}`] : [];
    }),
  };
}

/** Zombies are left out: PID 1 of a test machine need not reap. */
function processes(whose: RegExp): string[] {
  return pids().flatMap((pid) => {
    const stat = read(`/proc/${pid}/stat`) ?? '';
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    const command = (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ');
    const isMeant = whose.test(command) || whose.test(read(`/proc/${pid}/cgroup`) ?? '');
    return isMeant && state !== 'Z' && Number(pid) !== process.pid ? [command.slice(0, 120)] : [];
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
