import { closeSync, constants, lstatSync, mkdirSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { errnoOf, isMissing, messageOf } from '../base/errors.ts';
import {
  CLONE,
  MS,
  O,
  UMOUNT,
  close,
  ioctl,
  mount,
  open,
  sethostname,
  setns,
  socket,
  tryLock,
  umount,
  unshare,
} from './abi.ts';
import type { PinOrder, PinPaths, Sysctl } from './namespaces.ts';
import { asUser } from './thread-user.ts';

/**
 * Makes namespaces and pins them: a bind mount on a file keeps one alive without a process. To be called in a thread
 * that runs nothing else, as a namespace belongs to the thread; and without a pause, as whatever runs between the way in
 * and the way out runs inside.
 */
const KINDS = {
  net: { flag: CLONE.NEWNET, file: '/proc/thread-self/ns/net' },
  ipc: { flag: CLONE.NEWIPC, file: '/proc/thread-self/ns/ipc' },
  uts: { flag: CLONE.NEWUTS, file: '/proc/thread-self/ns/uts' },
} as const;

type Kind = keyof typeof KINDS;

/** The thread is in namespaces that are not its own, and must end. */
export class Astray extends Error {}

/** A parameter that the kernel does not know, or refuses. */
export class SysctlError extends Error {
  readonly sysctl: string;
  readonly code: string | undefined;

  constructor(sysctl: string, cause: unknown) {
    super(messageOf(cause), { cause });
    this.sysctl = sysctl;
    this.code = errnoOf(cause);
  }
}

/** The namespaces that the thread belongs to. */
export class Home {
  readonly #doors = Object.values(KINDS).map(({ flag, file }) => ({ flag, fd: open(file, O.RDONLY) }));

  /** @throws Astray */
  enter(): void {
    try {
      for (const { flag, fd } of this.#doors) setns(fd, flag);
    } catch (error) {
      throw new Astray(`Cannot get back into the host's namespaces: ${messageOf(error)}`, { cause: error });
    }
  }
}

/**
 * What an earlier attempt has left at these places goes first. A failure leaves nothing.
 * @throws SysctlError for the one that could not be set; Astray
 */
export function pin(order: PinOrder, home: Home): void {
  const { paths, sharedFolder } = order;
  if (sharedFolder !== undefined) share(sharedFolder);
  unpinAll(paths);
  try {
    try {
      fill(order);
    } finally {
      home.enter();
    }
  } catch (error) {
    unpinAll(paths);
    throw error;
  }
}

function fill({ paths, hostname, sysctls = [], shmSizeBytes, owner, of }: PinOrder): void {
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => paths[kind] !== undefined);
  if (of === undefined) unshare(kinds.reduce((flags, kind) => flags | KINDS[kind].flag, 0));
  else for (const kind of kinds) join(of, kind);
  if (paths.net !== undefined) bringLoopbackUp();
  if (paths.uts !== undefined && hostname !== undefined) sethostname(hostname);
  for (const sysctl of sysctls) writeAsOwner(sysctl, owner?.uid);
  for (const kind of kinds) pinNamespace(KINDS[kind].file, paths[kind] ?? '');
  if (paths.user !== undefined && of !== undefined) pinNamespace(`/proc/${of}/ns/user`, paths.user);
  if (paths.shm !== undefined) pinShm(paths.shm, shmSizeBytes, owner);
}

function join(pid: number, kind: Kind): void {
  const fd = open(`/proc/${pid}/ns/${kind}`, O.RDONLY);
  try {
    setns(fd, KINDS[kind].flag);
  } finally {
    close(fd);
  }
}

function pinNamespace(file: string, path: string): void {
  closeSync(openSync(path, 'wx', 0o444));
  mount(file, path, null, MS.BIND, null);
}

function pinShm(path: string, sizeBytes: number | undefined, owner: PinOrder['owner']): void {
  mkdirSync(path);
  const size = sizeBytes === undefined ? '' : `,size=${sizeBytes}`;
  const ids = owner === undefined ? '' : `,uid=${owner.uid},gid=${owner.gid}`;
  mount('shm', path, 'tmpfs', MS.NOSUID | MS.NODEV | MS.NOEXEC, `mode=1777${size}${ids}`);
}

/**
 * Those of an IPC namespace are for its own root since Linux 5.19, and were for the host's before.
 * @see kernel ipc/ipc_sysctl.c, ipc_permissions
 */
function writeAsOwner(sysctl: Sysctl, owner: number | undefined): void {
  try {
    write(sysctl);
  } catch (error) {
    if (owner === undefined || !(error instanceof SysctlError) || error.code !== 'EACCES') throw error;
    asUser(owner, () => write(sysctl));
  }
}

/** In one write: the kernel takes each for a value of its own. */
function write({ name, file, value }: Sysctl): void {
  try {
    const fd = openSync(`/proc/sys/${file}`, constants.O_WRONLY);
    try {
      writeSync(fd, `${value}\n`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new SysctlError(name, error);
  }
}

const SIOCSIFFLAGS = 0x8914;
const IFF_UP_RUNNING = 0x41;
const AF_INET = 2;
const SOCK_DGRAM = 2;

/** @see netdevice(7), struct ifreq: 16 bytes of name, then the flags */
function bringLoopbackUp(): void {
  const fd = socket(AF_INET, SOCK_DGRAM);
  const request = Buffer.alloc(40);
  request.write('lo');
  request.writeInt16LE(IFF_UP_RUNNING, 16);
  ioctl(fd, SIOCSIFFLAGS, request);
  close(fd);
}

function unpinAll(paths: PinPaths): void {
  for (const path of Object.values(paths) as string[]) unpin(path);
}

/** Detached: whoever is still in the namespace keeps it, the name goes at once. */
export function unpin(path: string): void {
  unmount(path);
  try {
    if (lstatSync(path).isDirectory()) rmdirSync(path);
    else unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** All that is mounted there, one upon the other. */
export function unmount(target: string): void {
  try {
    for (;;) umount(target, UMOUNT.DETACH | UMOUNT.NOFOLLOW);
  } catch (error) {
    const isNotMounted = errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT';
    if (!isNotMounted) throw error;
  }
}

const LOCK_TRIES = 100;
const LOCK_PAUSE_MS = 5;

/**
 * As `ip netns add` does it, and under the same lock: of two that mount the folder on itself, one would hide the pins
 * of the other.
 * @see iproute2 ip/ipnetns.c, netns_add
 */
function share(folder: string): void {
  if (isShared(folder)) return;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const lock = open(folder, O.RDONLY | O.DIRECTORY);
  try {
    for (let tries = 0; !tryLock(lock) && tries < LOCK_TRIES; tries += 1) pause();
    if (isShared(folder)) return;
    mount(folder, folder, null, MS.BIND | MS.REC, null);
    mount('none', folder, null, MS.SHARED | MS.REC, null);
  } finally {
    close(lock);
  }
}

/** False for what is no mount point, which cannot be shared. */
function isShared(folder: string): boolean {
  try {
    mount('none', folder, null, MS.SHARED | MS.REC, null);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE_MS);
}
