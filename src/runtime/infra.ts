import { open } from 'node:fs/promises';
import { BerthError } from '../base/errors.ts';
import type { IdMapping, IdMappings } from '../base/id-mappings.ts';
import { outsideOf, rootOf } from '../base/id-mappings.ts';
import type { ContainerSpec } from '../engine/container/spec.ts';
import { MS } from '../linux/abi.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import { infraMounts } from './oci-mounts.ts';
import { ociSpec } from './oci-spec.ts';
import type { OciSpec, OciSpecInput } from './oci-spec.ts';
import { findProgram } from './program.ts';

/** Where distributions have it that do not have it in PATH. */
const OTHER_FOLDERS = ['/usr/libexec/podman', '/usr/libexec/catatonit'];

/** The infra container's program: catatonit, in the mode in which it runs nothing and reaps what becomes its child. */
const PROGRAM = '/catatonit';
const ARGS = [PROGRAM, '-P'];

/** Nobody's: what runs in the containers of the sandbox may be root, but is not the same user. As in pause images. */
const UID = 65_535;

/** In its root there are mount points and nothing else. */
const ROOT_OPTIONS = 'mode=755,size=64k';
const PLAIN_ROOT = { uid: 0, gid: 0 };

/**
 * Finds catatonit.
 * @param wanted its name, or its path
 * @throws BerthError Unavailable when there is none, or one that needs libraries, which its root does not have
 */
export async function findInit(wanted: string): Promise<string> {
  const path = findProgram(wanted, OTHER_FOLDERS);
  if (await isStatic(path)) return path;
  throw new BerthError(
    'Unavailable',
    `Cannot use "${path}" as init: it is no statically linked program: install catatonit, or set "sandbox.init"`,
  );
}

const PT_INTERP = 3;
const LARGEST_HEADER_BYTES = 4_096;

/**
 * Whether a program runs where nothing else is: it names no interpreter.
 * @see elf(5): e_phoff at 32, e_phentsize at 54, e_phnum at 56; p_type is the first word of a program header
 */
async function isStatic(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LARGEST_HEADER_BYTES));
    const isElf64 = bytesRead > 64 && buffer.toString('latin1', 0, 5) === '\x7fELF\x02';
    if (!isElf64) return false;
    const [start, size, count] = [Number(buffer.readBigUInt64LE(32)), buffer.readUInt16LE(54), buffer.readUInt16LE(56)];
    if (start + size * count > bytesRead) return false;
    return Array.from({ length: count }, (_, index) => buffer.readUInt32LE(start + index * size)).every(
      (type) => type !== PT_INTERP,
    );
  } finally {
    await file.close();
  }
}

/** Its root, which is unmounted as every other's is. @param users those of its sandbox, when they are not the host's */
export async function mountInfraRoot(
  thread: NamespaceThread,
  rootfs: string,
  users: IdMappings | undefined,
): Promise<void> {
  const flags = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  const { uid, gid } = users === undefined ? PLAIN_ROOT : rootOf(users);
  const data = `${ROOT_OPTIONS},uid=${uid},gid=${gid}`;
  await thread.call({ op: 'mount', source: 'infra', target: rootfs, type: 'tmpfs', flags, data });
}

type InfraInput = Omit<OciSpecInput, 'etcFiles' | 'shm' | 'seccomp' | 'volumes' | 'below'>;

/** @param program the path of catatonit */
export function infraSpec(input: InfraInput, program: string, users?: IdMappings): OciSpec {
  const spec = confined(input.spec, users);
  const nothing = { etcFiles: [], shm: undefined, seccomp: undefined, volumes: [], below: new Map() };
  return { ...ociSpec({ ...input, spec, ...nothing }), mounts: infraMounts({ source: program, target: PROGRAM }) };
}

/** Whatever else its spec says: it needs nothing, so it gets nothing. */
function confined(spec: ContainerSpec, users: IdMappings | undefined): ContainerSpec {
  const user = { uid: ownId(users?.uids), gid: ownId(users?.gids), additionalGids: [], home: '/' };
  return {
    ...spec,
    process: { ...spec.process, args: ARGS, env: [], cwd: '/', user, hasTerminal: false, hasStdin: false },
    pid: 'container',
    mounts: [],
    security: { dropCapabilities: ['ALL'], noNewPrivileges: true, isReadonlyRootfs: true, seccomp: 'default' },
  };
}

/** In a namespace that is too small for it, the last one. */
function ownId(mappings: readonly IdMapping[] | undefined): number {
  if (mappings === undefined || outsideOf(mappings, UID) !== undefined) return UID;
  return Math.max(...mappings.map(({ inside, size }) => inside + size - 1));
}
