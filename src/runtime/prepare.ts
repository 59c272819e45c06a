import { access, mkdir, writeFile } from 'node:fs/promises';
import { BerthError, isMissing } from '../base/errors.ts';
import { rootOf } from '../base/id-mappings.ts';
import { imageVolumesOf } from '../engine/container/spec.ts';
import type { ContainerSpec } from '../engine/container/spec.ts';
import type { PreparedRun, RunPlan } from '../engine/ports.ts';
import { mountPointsBelow } from '../linux/mount-table.ts';
import { containerCapabilities } from './capabilities.ts';
import { findInit, infraSpec, mountInfraRoot } from './infra.ts';
import { checkResources } from './oci-resources.ts';
import { ociSpec } from './oci-spec.ts';
import type { OciSpec } from './oci-spec.ts';
import type { RuntimeParts } from './parts.ts';
import { HeldPidNamespace } from './pid-namespace.ts';
import { SANDBOX_FILES, sandboxFolder } from './sandbox-files.ts';
import { readSeccompFile } from './seccomp-file.ts';
import type { OciSeccomp } from './seccomp.ts';

/** Makes the run's folder: run.json first, so that whatever follows has an owner; then the bundle. */
export async function prepareRun(parts: RuntimeParts, plan: RunPlan): Promise<PreparedRun> {
  const { run, row, sandbox } = plan;
  const { spec } = row;
  checkCgroupPath(spec.cgroupPath);
  const folder = await parts.folders.make(run, { version: 1, row, sandbox, cgroupPath: spec.cgroupPath });
  parts.memory.setCgroupPath(run, spec.cgroupPath);
  if (sandbox.spec.users !== undefined) await parts.folders.letPass(run, rootOf(sandbox.spec.users).gid);
  const prepared = {
    rootfs: `${folder}/rootfs`,
    volumes: imageVolumesOf(spec).map((_, index) => `${folder}/volumes/${index}`),
  };
  for (const volume of prepared.volumes) await mkdir(volume, { recursive: true, mode: 0o700 });
  const config = await (spec.role === 'infra' ? infraConfig : workloadConfig)(parts, plan, prepared);
  await writeFile(`${folder}/config.json`, JSON.stringify(config), { mode: 0o600 });
  return prepared;
}

/** To clean a run is to kill all that is in its cgroup: one that is not its own would take others with it. */
function checkCgroupPath(path: string): void {
  const parts = path.split('/').slice(1);
  const isOwn = path.startsWith('/') && parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (isOwn) return;
  throw new BerthError('InvalidArgument', `Cannot use cgroup "${path}": must be an absolute path below the root`, {
    field: 'cgroupPath',
  });
}

/** Nobody else mounts its root: it comes from no image. */
async function infraConfig(
  parts: RuntimeParts,
  { row, sandbox, pins }: RunPlan,
  { rootfs }: PreparedRun,
): Promise<OciSpec> {
  const program = await findInit(parts.initProgram);
  const { users } = sandbox.spec;
  await mountInfraRoot(parts.thread, rootfs, users);
  return infraSpec({ spec: row.spec, pins, rootfs, pidNamespace: undefined, host: parts.host }, program, users);
}

async function workloadConfig(parts: RuntimeParts, plan: RunPlan, { rootfs, volumes }: PreparedRun): Promise<OciSpec> {
  const { row, sandbox, pins } = plan;
  const { spec } = row;
  checkResources(spec.resources, parts.host.cgroupMode);
  return ociSpec({
    spec,
    pins,
    rootfs,
    pidNamespace: holdPidNamespace(parts, plan)?.path,
    etcFiles: await etcFilesOf(parts, sandbox.spec.id),
    shm: pins.shm ?? (sandbox.spec.ipc === 'host' ? '/dev/shm' : undefined),
    volumes,
    below: pins.user === undefined || parts.bindsWhole ? new Map() : mountsBelow(spec),
    seccomp: await seccompOf(parts, spec),
    host: parts.host,
  });
}

/** A runtime that joins a user namespace opens the sources beforehand, and some leave out what is mounted below them. */
function mountsBelow({ mounts }: ContainerSpec): ReadonlyMap<string, readonly string[]> {
  const sources = mounts.flatMap((mount) => (mount.kind === 'bind' ? [mount.source] : []));
  return new Map(sources.map((source) => [source, mountPointsBelow(source)]));
}

/** Held until the runtime has made the container, or the run is given up. */
function holdPidNamespace(parts: RuntimeParts, { run, row, pidOf }: RunPlan): HeldPidNamespace | undefined {
  if (row.spec.pid === 'container' || row.spec.pid === 'host') return undefined;
  if (pidOf === undefined) throw new Error(`the plan of ${row.spec.id} does not say whose PID namespace it joins`);
  const held = HeldPidNamespace.of(pidOf, parts.clock.bootId);
  parts.memory.holdPidNamespace(run, held);
  return held;
}

/** @throws BerthError WrongState when one is gone: what would stand in its place is the image's */
async function etcFilesOf(
  { runRoot }: RuntimeParts,
  sandboxId: string,
): Promise<{ readonly source: string; readonly target: string }[]> {
  const folder = sandboxFolder(runRoot, sandboxId);
  return Promise.all(
    SANDBOX_FILES.map(async (name) => {
      const source = `${folder}/${name}`;
      try {
        await access(source);
      } catch (error) {
        if (!isMissing(error)) throw error;
        throw new BerthError('WrongState', `Cannot mount "${source}": it is gone, and its sandbox has to be made anew`);
      }
      return { source, target: `/etc/${name}` };
    }),
  );
}

async function seccompOf(
  { outside, host }: RuntimeParts,
  { security }: ContainerSpec,
): Promise<OciSeccomp | undefined> {
  if (typeof security.seccomp !== 'object' || security.isPrivileged === true) return undefined;
  const capabilities = containerCapabilities(security, host.bounding);
  return readSeccompFile(outside, security.seccomp.file, { capabilities, architecture: host.architecture });
}
