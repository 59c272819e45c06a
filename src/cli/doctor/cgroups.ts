import { readFileSync } from 'node:fs';
import { isMissing } from '../../base/errors.ts';
import type { Finding } from './finding.ts';
import { error, ok, warning } from './finding.ts';

/** Resource limits need these. */
const WANTED = ['cpu', 'memory', 'pids'] as const;

interface Mounts {
  /** Where the v2 tree is. */
  readonly unified: string | undefined;
  /** Mount points of v1 hierarchies, with the controllers of each. */
  readonly v1: ReadonlyMap<string, readonly string[]>;
}

/** @param read gives a file's text, or undefined where there is none */
export function examineCgroups(read: (path: string) => string | undefined = readIfThere): Finding[] {
  const { unified, v1 } = parseMounts(read('/proc/self/mountinfo') ?? '');
  const controllers = (unified === undefined ? '' : (read(`${unified}/cgroup.controllers`) ?? '')).trim();
  const owned = controllers === '' ? [] : controllers.split(' ');
  if (v1.size === 0 && unified === undefined) {
    return [error('No cgroups are mounted', 'mount them: mount -t cgroup2 cgroup /sys/fs/cgroup')];
  }
  if (v1.size === 0) return [ok('cgroups are v2'), ...missing(owned)];
  const mode = unified === undefined ? 'v1' : 'hybrid: v1 controllers, processes frozen and killed in the v2 tree';
  return [ok(`cgroups are ${mode}`), ...owned.map(ownedByBoth), ...missing([...v1.values()].flat().concat(owned))];
}

/**
 * A controller that no v1 hierarchy has belongs to the v2 tree, and crun then refuses to run anything.
 * @see crun src/libcrun/cgroup.c "drop all controllers from cgroupv2"
 */
function ownedByBoth(controller: string): Finding {
  const folder = `/sys/fs/cgroup/${controller}`;
  const mount = `mkdir -p ${folder} && mount -t cgroup -o ${controller} cgroup ${folder}`;
  return error(`Controller ${controller} is in the v2 tree of a hybrid host, so crun runs nothing`, mount);
}

function missing(present: readonly string[]): Finding[] {
  const absent = WANTED.filter((controller) => !present.includes(controller));
  if (absent.length === 0) return [];
  const text = `Without cgroup controller ${absent.join(', ')}, such limits cannot be set`;
  return [warning(text, 'enable them on the kernel command line, like cgroup_enable=memory')];
}

/** @see proc_pid_mountinfo(5): the part after " - " is type, source, super options */
function parseMounts(mountinfo: string): Mounts {
  const v1 = new Map<string, readonly string[]>();
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [type, , options = ''] = right.split(' ');
    const target = left.split(' ')[4] ?? '';
    if (!target.startsWith('/sys/fs/cgroup')) continue;
    if (type === 'cgroup2') unified ??= target;
    if (type === 'cgroup') v1.set(target, options.split(','));
  }
  return { unified, v1 };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (failure) {
    if (isMissing(failure)) return undefined;
    throw failure;
  }
}
