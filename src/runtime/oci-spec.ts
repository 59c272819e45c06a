import type { ContainerSpec, ProcessUser } from '../engine/container/spec.ts';
import type { TerminalSize } from '../engine/ports.ts';
import type { NamespacePins } from '../engine/sandbox/state.ts';
import { containerCapabilities } from './capabilities.ts';
import { ociMounts, rootPropagation } from './oci-mounts.ts';
import type { MountInput, OciMount } from './oci-mounts.ts';
import { ociResources } from './oci-resources.ts';
import type { OciSeccomp } from './seccomp.ts';
import { defaultSeccomp } from './seccomp.ts';

/** What the host allows, read once when the daemon starts. */
export interface HostAbilities {
  readonly bounding: readonly string[];
  /** The daemon's own: a lower value needs CAP_SYS_RESOURCE. */
  readonly oomScoreAdj: number;
  readonly mayLowerOomScoreAdj: boolean;
  /** Hard limits by name, which cannot be raised without CAP_SYS_RESOURCE; undefined: any value is allowed. */
  readonly hardLimits: ReadonlyMap<string, number> | undefined;
  readonly architecture: string;
  readonly cgroupMode: 'v1' | 'hybrid' | 'v2';
  readonly devices: readonly HostDevice[];
}

/** A device node of the host, for privileged containers. */
export interface HostDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
}

export interface OciSpecInput extends MountInput {
  readonly pins: NamespacePins;
  readonly rootfs: string;
  /** The PID namespace that it joins; undefined: its own, or the host's. */
  readonly pidNamespace: string | undefined;
  /** The filter of a profile that was asked for. */
  readonly seccomp: OciSeccomp | undefined;
  readonly host: HostAbilities;
}

/** @see OCI runtime-spec config.md */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly mounts: readonly OciMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: Readonly<Record<string, unknown>>;
}

export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
    readonly umask: number;
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<Record<string, readonly string[]>>;
  readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
}

const UMASK = 0o022;
/** Node raises its own soft limit, and a child would inherit that: programs that loop over all descriptors crawl then. */
const NOFILE = { soft: 1_024, hard: 524_288 };

const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Builds config.json. Pure: tested as a table. */
export function ociSpec(input: OciSpecInput): OciSpec {
  const { spec, rootfs, host } = input;
  const isPrivileged = spec.security.isPrivileged === true;
  return {
    ociVersion: '1.0.2',
    process: ociProcess(spec, spec.process, host),
    root: { path: rootfs, readonly: spec.security.isReadonlyRootfs ?? false },
    mounts: ociMounts(input),
    annotations: harmless(spec.annotations),
    linux: {
      namespaces: ociNamespaces(input),
      resources: ociResources(spec.resources, isPrivileged),
      cgroupsPath: spec.cgroupPath,
      ...rootPropagation(spec.mounts),
      ...(isPrivileged
        ? { devices: host.devices.map((device) => ({ ...device, fileMode: device.mode, uid: 0, gid: 0 })) }
        : {
            maskedPaths: spec.security.maskedPaths ?? MASKED_PATHS,
            readonlyPaths: spec.security.readonlyPaths ?? READONLY_PATHS,
          }),
      ...seccompOf(input),
    },
  };
}

/** The process of a container, or one that is run beside it: both get the same confinement. */
export function ociProcess(
  spec: ContainerSpec,
  process: {
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly user: ProcessUser;
    readonly hasTerminal?: boolean;
    readonly size?: TerminalSize | undefined;
  },
  host: HostAbilities,
): OciProcess {
  const capabilities = containerCapabilities(spec.security, host.bounding);
  // Another user gets the set as a bound only: a set-user-id program may gain it, the process itself starts without.
  const own = process.user.uid === 0 ? capabilities : [];
  const { uid, gid, additionalGids } = process.user;
  return {
    terminal: process.hasTerminal ?? false,
    ...(process.size === undefined ? {} : { consoleSize: { height: process.size.height, width: process.size.width } }),
    // Its own group is among them: a set-group-id program could step out of it otherwise, past what is denied to it.
    user: { uid, gid, additionalGids: [gid, ...additionalGids.filter((group) => group !== gid)], umask: UMASK },
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    capabilities: { bounding: capabilities, effective: own, permitted: own, inheritable: [], ambient: [] },
    rlimits: rlimitsOf(spec, host),
    noNewPrivileges: spec.security.noNewPrivileges ?? false,
    oomScoreAdj: host.mayLowerOomScoreAdj ? spec.oomScoreAdj : Math.max(spec.oomScoreAdj, host.oomScoreAdj),
  };
}

/** Annotations of this prefix are orders to the runtime itself: they are berth's to give, not the user's. */
const RUNTIME_ORDERS = 'run.oci.';

function harmless(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith(RUNTIME_ORDERS)));
}

function seccompOf({ spec, host, seccomp }: OciSpecInput): { readonly seccomp?: OciSeccomp } {
  if (spec.security.isPrivileged === true || spec.security.seccomp === 'unconfined') return {};
  if (seccomp !== undefined) return { seccomp };
  return { seccomp: defaultSeccomp(containerCapabilities(spec.security, host.bounding), host.architecture) };
}

function rlimitsOf(spec: ContainerSpec, { hardLimits }: HostAbilities): OciProcess['rlimits'] {
  const wanted = new Map([
    ['nofile', NOFILE],
    ...spec.rlimits.map(({ name, soft, hard }) => [name, { soft, hard }] as const),
  ]);
  return [...wanted].map(([name, { soft, hard }]) => {
    const limit = hardLimits?.get(name) ?? Infinity;
    return { type: `RLIMIT_${name.toUpperCase()}`, soft: Math.min(soft, hard, limit), hard: Math.min(hard, limit) };
  });
}

function ociNamespaces({
  spec,
  pins,
  pidNamespace,
}: Pick<OciSpecInput, 'spec' | 'pins' | 'pidNamespace'>): { readonly type: string; readonly path?: string }[] {
  return [
    ...(pins.user === undefined ? [] : [{ type: 'user', path: pins.user }]),
    { type: 'mount' },
    { type: 'cgroup' },
    ...(spec.pid === 'container' ? [{ type: 'pid' }] : []),
    ...(pidNamespace === undefined ? [] : [{ type: 'pid', path: pidNamespace }]),
    ...(pins.net === undefined ? [] : [{ type: 'network', path: pins.net }]),
    ...(pins.ipc === undefined ? [] : [{ type: 'ipc', path: pins.ipc }]),
    ...(pins.uts === undefined ? [] : [{ type: 'uts', path: pins.uts }]),
  ];
}
