import type { IdMapping, IdMappings } from '../base/id-mappings.ts';
import type { ContainerSpec, MountRequest } from '../engine/container/spec.ts';

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
}

interface OciIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface MountInput {
  readonly spec: ContainerSpec;
  /** What its sandbox gives it of /etc: hostname, hosts and resolv.conf. */
  readonly etcFiles: readonly { readonly source: string; readonly target: string }[];
  /** The shared memory that it has in common with others: its sandbox's, or the host's. Undefined: its own. */
  readonly shm: string | undefined;
  /** Where the images are that it sees as volumes, in the order of its mounts. */
  readonly volumes: readonly string[];
  /** What is mounted below a source of its mounts, where the runtime leaves that out. */
  readonly below: ReadonlyMap<string, readonly string[]>;
}

/** As the kernel's file systems are mounted everywhere. */
const SYSTEM = ['nosuid', 'noexec', 'nodev'] as const;

/** A mount of the container at a place takes that of the defaults; what is inside another comes after it. */
export function ociMounts({ spec, etcFiles, shm, volumes, below }: MountInput): OciMount[] {
  const access = spec.security.isPrivileged === true ? 'rw' : 'ro';
  const depth = (target: string): number => target.split('/').filter(Boolean).length;
  const own = withVolumes(spec.mounts, volumes)
    .toSorted((a, b) => depth(a.target) - depth(b.target))
    .flatMap((mount) => withBelow(ociMount(mount), below));
  const defaults: OciMount[] = [
    PROC,
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
    shmMount(spec, shm),
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: SYSTEM },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...SYSTEM, access] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...SYSTEM, 'relatime', access] },
  ];
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

const PROC: OciMount = { destination: '/proc', type: 'proc', source: 'proc', options: SYSTEM };

/** An infra container sees its own processes, the devices that every program may expect, and its program. */
export function infraMounts(program: { readonly source: string; readonly target: string }): OciMount[] {
  return [
    PROC,
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'mode=755', 'size=64k'] },
    { destination: program.target, type: 'bind', source: program.source, options: ['bind', 'ro', 'nosuid', 'nodev'] },
  ];
}

/** crun makes everything private before it binds, unless the root itself passes mounts on. */
export function rootPropagation(mounts: readonly MountRequest[]): { readonly rootfsPropagation?: string } {
  const asked = mounts.flatMap((mount) => (mount.kind === 'bind' ? [mount.propagation ?? 'private'] : []));
  if (asked.some((propagation) => propagation.endsWith('shared'))) return { rootfsPropagation: 'rshared' };
  if (asked.some((propagation) => propagation.endsWith('slave'))) return { rootfsPropagation: 'rslave' };
  return {};
}

function shmMount({ shmSizeBytes }: ContainerSpec, shared: string | undefined): OciMount {
  if (shared !== undefined) {
    return { destination: '/dev/shm', type: 'bind', source: shared, options: ['bind', 'rprivate', ...SYSTEM, 'rw'] };
  }
  const options = [...SYSTEM, 'mode=1777', `size=${shmSizeBytes}`];
  return { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options };
}

/** A mount whose image has a place. */
type PlacedMount = Exclude<MountRequest, { kind: 'image' }> | { kind: 'image'; source: string; target: string };

function withVolumes(mounts: readonly MountRequest[], volumes: readonly string[]): PlacedMount[] {
  const places = volumes.values();
  return mounts.map((mount) => {
    if (mount.kind !== 'image') return mount;
    const { value: place } = places.next();
    if (place === undefined) throw new Error(`there is no place for the image at ${mount.target}`);
    return { kind: 'image', source: place + (mount.subPath ?? ''), target: mount.target };
  });
}

function withBelow(mount: OciMount, below: MountInput['below']): OciMount[] {
  const { uidMappings: _, gidMappings: __, ...plain } = mount;
  const points = below.get(mount.source) ?? [];
  const inside = points.map((source) => source.slice(mount.source === '/' ? 0 : mount.source.length));
  return [
    mount,
    ...points.map((source, index) => ({ ...plain, source, destination: mount.destination + inside[index] })),
  ];
}

function ociMount(mount: PlacedMount): OciMount {
  const { target } = mount;
  if (mount.kind === 'image') {
    const options = ['bind', 'rprivate', 'ro', 'nosuid', 'nodev'];
    return { destination: target, type: 'bind', source: mount.source, options };
  }
  const { isReadonly = false } = mount;
  if (mount.kind === 'bind') {
    const access = isReadonly ? ['ro', ...(mount.isWritableBelow === true ? [] : ['rro'])] : ['rw'];
    const options = ['rbind', mount.propagation ?? 'rprivate', ...access];
    return { destination: target, type: 'bind', source: mount.source, options, ...idMappings(mount.users) };
  }
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  const options = ['nosuid', 'nodev', 'noexec', 'mode=1777', isReadonly ? 'ro' : 'rw', ...size];
  return { destination: target, type: 'tmpfs', source: 'tmpfs', options };
}

/** What is mounted below keeps its owners. @see runtime-spec config.md, Mounts: uidMappings; idmap and ridmap */
function idMappings(users: IdMappings | undefined): Pick<OciMount, 'uidMappings' | 'gidMappings'> {
  if (users === undefined) return {};
  const map = ({ inside, outside, size }: IdMapping): OciIdMapping => ({ containerID: inside, hostID: outside, size });
  return { uidMappings: users.uids.map(map), gidMappings: users.gids.map(map) };
}
