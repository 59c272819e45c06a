import type { ContainerSpec, MountRequest, ProcessUser, Resources } from '../engine/container/spec.ts';
import type { NamespacePins } from '../engine/sandbox/state.ts';
import { containerCapabilities } from './capabilities.ts';
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

export interface OciSpecInput {
  readonly spec: ContainerSpec;
  readonly pins: NamespacePins;
  readonly rootfs: string;
  readonly cgroupPath: string;
  /** The container's /etc/hostname, /etc/hosts and /etc/resolv.conf, where berth writes them. */
  readonly etcFiles: readonly { readonly source: string; readonly target: string }[];
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

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
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
  const { spec, rootfs } = input;
  const isPrivileged = spec.security.isPrivileged === true;
  return {
    ociVersion: '1.0.2',
    process: ociProcess(spec, spec.process, input.host),
    root: { path: rootfs, readonly: spec.security.isReadonlyRootfs ?? false },
    mounts: ociMounts(input),
    annotations: harmless(spec.annotations),
    linux: {
      namespaces: ociNamespaces(input),
      resources: { ...ociResources(spec.resources), devices: deviceRules(isPrivileged) },
      cgroupsPath: input.cgroupPath,
      ...rootPropagation(spec.mounts),
      ...(isPrivileged
        ? { devices: input.host.devices.map((device) => ({ ...device, fileMode: device.mode, uid: 0, gid: 0 })) }
        : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
      ...seccompOf(spec, input.host),
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
  },
  host: HostAbilities,
): OciProcess {
  const capabilities = containerCapabilities(spec.security, host.bounding);
  // Another user gets the set as a bound only: a set-user-id program may gain it, the process itself starts without.
  const own = process.user.uid === 0 ? capabilities : [];
  return {
    terminal: process.hasTerminal ?? false,
    user: { uid: process.user.uid, gid: process.user.gid, additionalGids: process.user.additionalGids, umask: UMASK },
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

function seccompOf(spec: ContainerSpec, host: HostAbilities): { readonly seccomp?: OciSeccomp } {
  if (spec.security.isPrivileged === true || spec.security.seccomp === 'unconfined') return {};
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

function ociNamespaces({ spec, pins }: OciSpecInput): { readonly type: string; readonly path?: string }[] {
  return [
    { type: 'mount' },
    { type: 'cgroup' },
    ...(spec.pid === 'container' ? [{ type: 'pid' }] : []),
    ...(pins.net === undefined ? [] : [{ type: 'network', path: pins.net }]),
    ...(pins.ipc === undefined ? [] : [{ type: 'ipc', path: pins.ipc }]),
    ...(pins.uts === undefined ? [] : [{ type: 'uts', path: pins.uts }]),
  ];
}

function ociMounts({ spec, etcFiles }: OciSpecInput): OciMount[] {
  const isPrivileged = spec.security.isPrivileged === true;
  const access = isPrivileged ? 'rw' : 'ro';
  const system = ['nosuid', 'noexec', 'nodev'];
  const shm = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${spec.shmSizeBytes}`];
  const defaults: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: system },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: shm },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: system },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...system, access] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...system, 'relatime', access] },
  ];
  const depth = (target: string): number => target.split('/').filter(Boolean).length;
  const own = spec.mounts.toSorted((a, b) => depth(a.target) - depth(b.target)).map(ociMount);
  const etc = etcFiles.map(
    ({ source, target }): OciMount => ({
      destination: target,
      type: 'bind',
      source,
      options: ['bind', 'rprivate', spec.security.isReadonlyRootfs === true ? 'ro' : 'rw'],
    }),
  );
  const taken = new Set(own.map(({ destination }) => destination));
  return [...[...defaults, ...etc].filter(({ destination }) => !taken.has(destination)), ...own];
}

/** crun makes everything private before it binds, unless the root itself passes mounts on. */
function rootPropagation(mounts: readonly MountRequest[]): { readonly rootfsPropagation?: string } {
  const asked = mounts.flatMap((mount) => (mount.kind === 'bind' ? [mount.propagation ?? 'private'] : []));
  if (asked.some((propagation) => propagation.endsWith('shared'))) return { rootfsPropagation: 'rshared' };
  if (asked.some((propagation) => propagation.endsWith('slave'))) return { rootfsPropagation: 'rslave' };
  return {};
}

function ociMount(mount: MountRequest): OciMount {
  const access = mount.isReadonly === true ? 'ro' : 'rw';
  if (mount.kind === 'bind') {
    const isReadonly = mount.isReadonly === true;
    const options = ['rbind', mount.propagation ?? 'rprivate', ...(isReadonly ? ['ro', 'rro'] : ['rw'])]; // all below too
    return { destination: mount.target, type: 'bind', source: mount.source, options };
  }
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  const options = ['nosuid', 'nodev', 'noexec', 'mode=1777', access, ...size];
  return { destination: mount.target, type: 'tmpfs', source: 'tmpfs', options };
}

const CPU_PERIOD_US = 100_000;

function ociResources(resources: Resources): Record<string, unknown> {
  const { memoryBytes, memorySwapBytes, cpus, cpuShares, cpusetCpus, pids } = resources;
  const cpu = {
    ...(cpus === undefined ? {} : { quota: Math.round(cpus * CPU_PERIOD_US), period: CPU_PERIOD_US }),
    ...(cpuShares === undefined ? {} : { shares: cpuShares }),
    ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
  };
  const memory = {
    ...(memoryBytes === undefined ? {} : { limit: memoryBytes }),
    ...(memorySwapBytes === undefined ? {} : { swap: memorySwapBytes }),
  };
  return {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}

/** Nodes may be made of any device, but only these work. @see runtime-spec config-linux.md, Default Devices */
function deviceRules(isPrivileged: boolean): Record<string, unknown>[] {
  if (isPrivileged) return [{ allow: true, access: 'rwm' }];
  const character = (major: number, minor?: number): Record<string, unknown> => ({
    allow: true,
    type: 'c',
    major,
    ...(minor === undefined ? {} : { minor }),
    access: 'rwm',
  });
  return [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', access: 'm' },
    { allow: true, type: 'b', access: 'm' },
    ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)), // null, zero, full, random, urandom
    ...[0, 1, 2].map((minor) => character(5, minor)), // tty, console, ptmx
    character(136), // pseudo-terminals
  ];
}
