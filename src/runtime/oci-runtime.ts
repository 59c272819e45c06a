import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf, isMissing } from '../base/errors.ts';
import type { RunProcesses } from '../engine/container/state.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { ExecPlan, ExecProcess, RunRef, Runtime, StartFailure } from '../engine/ports.ts';
import { Cgroup } from '../linux/cgroup.ts';
import { Pidfd, isRunning } from '../linux/process.ts';
import { readInRoot } from '../linux/rooted.ts';
import { cleanSteps } from './cleaning.ts';
import { explainEarlyEnd, readLog } from './container-log.ts';
import {
  armRunGuard,
  endGuards,
  freezeRun,
  signalInit,
  signalOthers,
  takeOverGuards,
  thawRun,
  viewSignal,
} from './control.ts';
import { diagnoseRun } from './diagnose.ts';
import { readFired } from './guard.ts';
import { killExec, startExec } from './exec.ts';
import { watchRun } from './exit-watch.ts';
import { findInit } from './infra.ts';
import { makeLog, removeLog } from './log-file.ts';
import { observeRun } from './observe.ts';
import { checkResources } from './oci-resources.ts';
import { ociProcess } from './oci-spec.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';
import { prepareRun } from './prepare.ts';
import { resolveRequest } from './resolve.ts';
import { giveStreams, streamOwner } from './stream-owner.ts';
import { updateRun } from './update.ts';
import { detailsOf, usageOf } from './usage.ts';
import { resolveUser } from './users.ts';

const COMMAND_DEADLINE_MS = 10_000;
const PAUSE_PATIENCE_MS = 2_000;
const SIGKILL = 9;

/** The port Runtime, on an OCI runtime under a monitor. Each verb is a function of its own; this is their list. */
export function createOciRuntime(handler: string, parts: RuntimeParts): Runtime {
  const { bootId } = parts.clock;
  return {
    handler,
    init: 'process',
    resolve: (request) => resolveRequest(parts, request),
    findInit: () => findInit(parts.initProgram),
    prepare: (plan) => prepareRun(parts, plan),
    create: (run, signal) => createRun(parts, run, signal),
    release: (run) => releaseRun(parts, run),
    isAlive: (process) => isRunning(process, bootId),
    watch: (run, processes) => watchRun(parts, run, processes),
    freeze: (run, withinMs) => freezeRun(parts, run, withinMs),
    thaw: (run) => thawRun(parts, run),
    frozenBy: (run) => cgroupOf(parts, run).frozenBy(),
    signal: (_run, init, signal) => signalInit(parts, init, signal),
    signalOthers: (run, init, signal) => signalOthers(parts, run, init, signal),
    viewSignal,
    killAll: (run) => cgroupOf(parts, run).kill(bootId),
    killMonitor: (monitor) => {
      using pidfd = Pidfd.open(monitor, bootId);
      pidfd?.signal(SIGKILL);
    },
    armGuard: (run, order) => armRunGuard(parts, run, order),
    takeOverGuards: (run) => takeOverGuards(parts, run),
    guardFiredAt: (run) => readFired(parts.folders.pathOf(run)),
    endGuards: (run) => endGuards(parts, run),
    checkResources: (resources) => checkResources(resources, parts.host.cgroupMode),
    update: (run, row, from) => updateRun(parts, run, row, from),
    pause: (run) => pauseRun(parts, run),
    resume: (run) => command(parts, run, 'resume'),
    findUser: async (run, name) => {
      const rootfs = `${parts.folders.pathOf(run)}/rootfs`;
      return resolveUser(name, (path) => readInRoot(rootfs, path));
    },
    exec: (run, plan, signal) => execInRun(parts, run, plan, signal),
    attach: (run, options) => parts.attachments.attach(run, options),
    resize: (run, size) => parts.attachments.resize(run, size),
    killExec: async (run, id, identity) => killExec(execParts(parts), cgroupOf(parts, run), id, identity),
    oomKills: (run) => cgroupOf(parts, run).oomKills(),
    cleanSteps: (run, path) => cleanSteps(parts, run, path),
    find: () => parts.folders.list(),
    observe: (run) => observeRun(parts, run),
    diagnose: (run, processes) =>
      diagnoseRun({
        cgroup: cgroupOf(parts, run),
        monitor: processes?.monitor,
        bootId,
        drainingLinks: drainingLinks(parts, run),
      }),
    explainEarlyEnd,
    readLog,
    removeLog,
    reopenLog: (run, path) => parts.monitor.reopenLog(run, path),
    makeLog,
    counters: parts.counters,
    usage: (run) => usageOf(parts, cgroupOf(parts, run)),
    details: (run, init) => detailsOf(parts, run, init),
    usageOfCgroup: (path) => usageOf(parts, new Cgroup(parts.layout, path)),
  };
}

/** A PID namespace that it joins is let go then: the run's own processes keep it. */
async function createRun(parts: RuntimeParts, run: RunRef, signal: AbortSignal): Promise<RunProcesses | StartFailure> {
  const file = await parts.folders.readRunFile(run);
  if (file === undefined) throw new Error(`run ${run.number} of ${run.containerId} was not prepared`);
  const { spec } = file.row;
  const joined = parts.memory.pidNamespaceOf(run);
  try {
    joined?.need();
    const made = await parts.monitor.create(
      {
        run,
        folder: parts.folders.pathOf(run),
        name: spec.name,
        logPath: spec.logPath,
        hasTerminal: spec.process.hasTerminal,
        hasStdin: spec.process.hasStdin,
        isStdinOnce: spec.process.isStdinOnce,
      },
      signal,
    );
    if ('exitCode' in made) {
      joined?.need(); // a better reason than the runtime has
      return made;
    }
    const owner = streamOwner(file.sandbox.spec.users, spec.process.user);
    if (owner !== undefined && spec.role === 'workload') await giveStreams(made.init.pid, owner);
    return made;
  } finally {
    parts.memory.dropPidNamespace(run);
  }
}

/**
 * Lets the program go. crun waits for a byte in a FIFO: writing it takes 0.1 ms, where `crun start` takes 7. The FIFO
 * is removed as `crun start` would, which is also how crun tells a running container from a created one; so once it is
 * gone the release has happened.
 * @see crun src/libcrun/container.c, libcrun_container_start
 */
async function releaseRun(parts: RuntimeParts, run: RunRef): Promise<void> {
  const id = runtimeIdOf(run.containerId, run.number);
  const fifo = `${parts.cli.stateFolder(id)}/exec.fifo`;
  if (!parts.hasKnownFifo) {
    await startWithRuntime(parts, run, fifo);
    return;
  }
  try {
    const file = await open(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      await file.write(Buffer.alloc(1));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENXIO') return;
    throw error;
  }
  await rm(fifo, { force: true });
}

/** A second `start` of a container that runs already is refused by every runtime; that it runs is what is wanted. */
async function startWithRuntime(parts: RuntimeParts, run: RunRef, fifo: string): Promise<void> {
  const id = runtimeIdOf(run.containerId, run.number);
  const { stdout } = await parts.cli.call(['state', id], COMMAND_DEADLINE_MS);
  const { status } = JSON.parse(stdout) as { readonly status: string };
  if (status !== 'created') return;
  await parts.cli.call(['start', id], COMMAND_DEADLINE_MS);
  await rm(fifo, { force: true });
}

/** What enters a container while it is being frozen hangs in it, so nothing is inside, and nothing comes in. */
async function pauseRun(parts: RuntimeParts, run: RunRef): Promise<void> {
  const gate = parts.memory.gateOf(run);
  if (!(await gate.close(PAUSE_PATIENCE_MS))) {
    throw new BerthError('Busy', 'Cannot pause it now: a runtime command is on its way into it');
  }
  try {
    await parts.cli.call(['pause', runtimeIdOf(run.containerId, run.number)], COMMAND_DEADLINE_MS);
    await untilFrozen(parts, run);
  } finally {
    gate.open();
  }
}

/** crun orders a v1 freezer to freeze, and does not wait until everything in it stands still. */
async function untilFrozen(parts: RuntimeParts, run: RunRef): Promise<void> {
  const cgroup = cgroupOf(parts, run);
  const end = performance.now() + PAUSE_PATIENCE_MS;
  while (cgroup.exists && cgroup.frozenBy() !== 'itself' && performance.now() < end) await sleepFor(1);
}

async function command(parts: RuntimeParts, run: RunRef, verb: 'pause' | 'resume'): Promise<void> {
  const id = runtimeIdOf(run.containerId, run.number);
  await parts.memory.gateOf(run).pass(() => parts.cli.call([verb, id], COMMAND_DEADLINE_MS));
}

/**
 * A container's mount namespace has the root of the daemon's. The runtime leads PID 1 away from it, but a command enters
 * by the namespace; so under a daemon in a chroot it would work on the files of the host.
 */
async function execInRun(parts: RuntimeParts, run: RunRef, plan: ExecPlan, signal: AbortSignal): Promise<ExecProcess> {
  if (parts.isInChroot) {
    throw new BerthError('Unsupported', 'Cannot run the command: the daemon is in a chroot, and it would see the host');
  }
  const file = await parts.folders.readRunFile(run);
  if (file === undefined) throw new Error(`run ${run.number} of ${run.containerId} has no folder`);
  const order = {
    runtimeId: runtimeIdOf(run.containerId, run.number),
    runFolder: parts.folders.pathOf(run),
    cgroup: cgroupOf(parts, run),
    plan,
    process: ociProcess(file.row.spec, plan, parts.host),
    streamOwner: streamOwner(file.sandbox.spec.users, plan.user),
  };
  const exec = await parts.memory.gateOf(run).pass(() => startExec(execParts(parts), order, signal));
  parts.memory.addExec(run, exec);
  return exec;
}

function execParts({ children, cli, streams, clock }: RuntimeParts) {
  return { children, cli, streams, bootId: clock.bootId };
}

function drainingLinks(parts: RuntimeParts, run: RunRef): string[] {
  return [...parts.memory.execsOf(run)].filter((exec) => exec.isDraining).flatMap((exec) => exec.outputLinks);
}
