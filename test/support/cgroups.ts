import { mkdirSync, writeFileSync } from 'node:fs';
import type { Cgroup } from '../../src/linux/cgroup.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';

/** Puts a process into the cgroup in every hierarchy of the host, as a runtime does with a container. */
export function joinCgroups(layout: CgroupLayout, cgroup: Cgroup, pid: number): void {
  const mounts = new Set([...layout.controllers.values(), ...(layout.unified === undefined ? [] : [layout.unified])]);
  for (const mount of mounts) {
    mkdirSync(mount + cgroup.path, { recursive: true });
    if (mount.endsWith('cpuset')) continue; // needs its cpus set first
    writeFileSync(`${mount}${cgroup.path}/cgroup.procs`, String(pid));
  }
}
