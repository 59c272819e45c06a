import { Pace } from '../base/pace.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import type { RunDetails, RunRef, RunUsage } from '../engine/ports.ts';
import type { Cgroup } from '../linux/cgroup.ts';
import { countOpenFiles, readDescriptorLimit } from '../linux/process-files.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

export function usageOf({ clock }: RuntimeParts, cgroup: Cgroup): RunUsage | undefined {
  const usage = cgroup.usage();
  return usage === undefined ? undefined : { at: clock.wall(), ...usage };
}

export async function detailsOf(
  parts: RuntimeParts,
  run: RunRef,
  init: ProcessIdentity,
): Promise<RunDetails | undefined> {
  const cgroup = cgroupOf(parts, run);
  const details = cgroup.details();
  if (details === undefined) return undefined;
  const at = parts.clock.wall();
  const { descriptors, sockets } = await countOpenFiles(cgroup.pids(), new Pace());
  return { at, ...details, openFiles: descriptors, sockets, mostOpenFiles: readDescriptorLimit(init.pid) };
}
