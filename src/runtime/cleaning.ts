import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { CleanStep, RunRef } from '../engine/ports.ts';
import { Cgroup } from '../linux/cgroup.ts';
import { Pidfd, isRunning, readStat } from '../linux/process.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

const PROCESSES_DEADLINE_MS = 10_000;
const MONITOR_PATIENCE_MS = 2_000;
const COMMAND_DEADLINE_MS = 10_000;
const CGROUP_DEADLINE_MS = 2_000;
const POLL_MS = 5;

/**
 * What a run leaves on the host, in the order in which it must go. Each step may be done again at any time.
 * @param path its cgroup's, from a debt: when the folder of the run is gone, nobody else knows it
 */
export function cleanSteps(parts: RuntimeParts, run: RunRef, path?: string): readonly CleanStep[] {
  const id = runtimeIdOf(run.containerId, run.number);
  const folder = parts.folders.pathOf(run);
  const cgroup = path === undefined ? cgroupOf(parts, run) : new Cgroup(parts.layout, path);
  return [
    {
      kind: 'processes',
      what: `processes in cgroup ${cgroup.path}`,
      path: cgroup.path,
      perform: () => endProcesses(parts, run, cgroup),
    },
    { kind: 'runtime', what: `${parts.cli.path} container ${id}`, perform: () => deleteFromRuntime(parts, run, id) },
    {
      kind: 'cgroup',
      what: `cgroup ${cgroup.path}`,
      path: cgroup.path,
      perform: () => removeCgroup(parts, run, cgroup),
    },
    { kind: 'rootfs', what: `${folder}/rootfs`, perform: () => unmountAll(parts, run, `${folder}/rootfs`) },
    { kind: 'run-folder', what: folder, perform: () => removeFolder(parts, run) },
  ];
}

/** A later run lives in the same cgroup: what this one left is no longer to be told apart from it, and is not ours. */
async function isSucceeded(parts: RuntimeParts, run: RunRef): Promise<boolean> {
  const runs = await parts.folders.list();
  return runs.some(({ containerId, number }) => containerId === run.containerId && number > run.number);
}

async function endProcesses(parts: RuntimeParts, run: RunRef, cgroup: Cgroup): Promise<void> {
  if (!(await isSucceeded(parts, run))) {
    const end = performance.now() + PROCESSES_DEADLINE_MS;
    for (let pids = cgroup.pids(); pids.length > 0; pids = cgroup.pids()) {
      if (performance.now() > end) throw new BerthError('Busy', `Cannot end its processes: ${describe(pids)}`);
      cgroup.kill(parts.clock.bootId);
      await sleepFor(POLL_MS);
    }
  }
  await endMonitor(parts, run);
}

function describe(pids: readonly number[]): string {
  return pids
    .slice(0, 5)
    .map((pid) => `${pid} (${readStat(pid)?.comm ?? 'gone'}) is in state ${readStat(pid)?.state ?? 'X'}`)
    .join(', ');
}

/** It ends by itself when its container has ended; one that hangs has nothing left to say. */
async function endMonitor(parts: RuntimeParts, run: RunRef): Promise<void> {
  const known = await parts.folders.readProcesses(run);
  const monitor: ProcessIdentity | undefined = known?.monitor ?? parts.monitor.findProcess(run);
  if (monitor === undefined) return;
  const { bootId } = parts.clock;
  const end = performance.now() + MONITOR_PATIENCE_MS;
  while (isRunning(monitor, bootId)) {
    if (performance.now() > end) {
      using pidfd = Pidfd.open(monitor, bootId);
      pidfd?.signal(9);
    }
    await sleepFor(POLL_MS);
  }
}

async function deleteFromRuntime(parts: RuntimeParts, run: RunRef, id: string): Promise<void> {
  if (await parts.cli.knows(id)) {
    await parts.memory.gateOf(run).pass(() => parts.cli.delete(id, COMMAND_DEADLINE_MS));
  }
  await parts.cli.forget(id);
}

async function removeCgroup(parts: RuntimeParts, run: RunRef, cgroup: Cgroup): Promise<void> {
  if (await isSucceeded(parts, run)) return;
  const end = performance.now() + CGROUP_DEADLINE_MS;
  for (;;) {
    try {
      cgroup.remove();
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY' || performance.now() > end) throw error;
      await sleepFor(POLL_MS); // the last process is on its way out
    }
  }
}

async function unmountAll(parts: RuntimeParts, run: RunRef, rootfs: string): Promise<void> {
  for (const target of [rootfs, ...(await parts.folders.volumesOf(run))]) {
    await parts.thread.call({ op: 'unmount', target });
  }
}

async function removeFolder(parts: RuntimeParts, run: RunRef): Promise<void> {
  await parts.folders.remove(run);
  parts.memory.forget(run);
  parts.attachments.forget(run);
}
