import { runtimeIdOf } from '../engine/container/state.ts';
import type { RunObservation, RunRef } from '../engine/ports.ts';
import { isRunning } from '../linux/process.ts';
import { readFired } from './guard.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

/** What the host shows of a run: only procfs, cgroupfs and the volatile folder are asked. */
export async function observeRun(parts: RuntimeParts, run: RunRef): Promise<RunObservation | undefined> {
  const { folders, clock } = parts;
  const file = await folders.readRunFile(run);
  const processes = await folders.readProcesses(run);
  const cgroup = cgroupOf(parts, run);
  const liveProcesses = cgroup.pids().length;
  const isKnown = await parts.cli.knows(runtimeIdOf(run.containerId, run.number));
  if (file === undefined && processes === undefined && liveProcesses === 0 && !isKnown) return undefined;
  return {
    run,
    saved: file === undefined ? undefined : { row: file.row, sandbox: file.sandbox },
    processes,
    isInitAlive: processes !== undefined && isRunning(processes.init, clock.bootId),
    isMonitorAlive: processes !== undefined && isRunning(processes.monitor, clock.bootId),
    liveProcesses,
    exitFile: await parts.monitor.readExit(run),
    frozenBy: cgroup.frozenBy(),
    guardFiredAt: readFired(folders.pathOf(run)),
  };
}
