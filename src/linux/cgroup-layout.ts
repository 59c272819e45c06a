import { readFileSync } from 'node:fs';

/**
 * How this host's cgroups are mounted. `hybrid` has v1 controllers and, beside them, an empty v2 tree in which
 * processes can be frozen and killed all the same.
 */
export interface CgroupLayout {
  readonly mode: 'v1' | 'hybrid' | 'v2';
  /** Where the v2 tree is mounted; the freezing and killing of `v2` and `hybrid` happens there. */
  readonly unified: string | undefined;
  /** v1 controller → its mount point; named hierarchies as `name=systemd`. Empty with v2. */
  readonly controllers: ReadonlyMap<string, string>;
}

/** @see proc_pid_mountinfo(5): the part after " - " is type, source, super options */
export function detectCgroupLayout(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): CgroupLayout {
  const controllers = new Map<string, string>();
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [type, , options = ''] = right.split(' ');
    const target = left.split(' ')[4];
    if (target === undefined || !target.startsWith('/sys/fs/cgroup')) continue;
    if (type === 'cgroup2') unified ??= target;
    if (type === 'cgroup') for (const option of options.split(',')) controllers.set(option, target);
  }
  controllers.delete('rw');
  controllers.delete('ro');
  const mode = controllers.size === 0 ? 'v2' : unified === undefined ? 'v1' : 'hybrid';
  return { mode, unified, controllers };
}
