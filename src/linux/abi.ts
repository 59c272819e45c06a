import koffi from 'koffi';

/**
 * The kernel's calls that Node does not have, through the C library. Every call here blocks its thread until the kernel
 * answers, so nothing that can hang (a foreign mount, a slow disk) may be asked from the event loop.
 */
export const libc = koffi.load('libc.so.6');

const clockGettime = libc.func('int clock_gettime(int clock, _Out_ void *time)');
const openFd = libc.func('int open(const char *path, int flags, unsigned int mode)');
const closeFd = libc.func('int close(int fd)');
const writeFd = libc.func('long write(int fd, const void *data, unsigned long size)');
const readFd = libc.func('long read(int fd, _Out_ void *data, unsigned long size)');
const pollFds = libc.func('int poll(_Inout_ void *fds, unsigned long count, int timeout)');
const eventFd = libc.func('int eventfd(unsigned int value, int flags)');
const pipe2Call = libc.func('int pipe2(_Out_ int *ends, int flags)');
const flockFd = libc.func('int flock(int fd, int operation)');
const ioctlBuffer = libc.func('int ioctl(int fd, unsigned long request, _Inout_ void *data)');
const prctlCall = libc.func(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);
const unshareCall = libc.func('int unshare(int flags)');
const setnsCall = libc.func('int setns(int fd, int type)');
const mountCall = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umountCall = libc.func('int umount2(const char *target, int flags)');
const chdirCall = libc.func('int chdir(const char *path)');
const fchdirCall = libc.func('int fchdir(int fd)');
const chrootCall = libc.func('int chroot(const char *path)');
const sethostnameCall = libc.func('int sethostname(const char *name, unsigned long size)');
const socketCall = libc.func('int socket(int domain, int type, int protocol)');
const bindCall = libc.func('int bind(int fd, const void *address, unsigned int size)');
const connectCall = libc.func('int connect(int fd, const void *address, unsigned int size)');
const getsockoptCall = libc.func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ void *size)');
const setsockoptCall = libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int size)');
const mknodCall = libc.func('int mknod(const char *path, unsigned int mode, unsigned long device)');
const lsetxattrCall = libc.func(
  'int lsetxattr(const char *path, const char *name, const void *value, unsigned long size, int flags)',
);
const syscallNumbers = libc.func('long syscall(long number, long a, long b, long c, long d)');
const waitidCall = libc.func('int waitid(int type, int id, _Out_ void *info, int options)');
const syscallOpenat2 = libc.func(
  'long syscall(long number, long folder, const char *path, const void *how, long size)',
);

/** `open(2)` flags. @see asm-generic/fcntl.h */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  NONBLOCK: 0o4000,
  DIRECTORY: 0o200000,
  PATH: 0o10000000,
  CLOEXEC: 0o2000000,
} as const;

export const POLLIN = 1;

/** `clone(2)` and `unshare(2)` flags. @see linux/sched.h */
export const CLONE = { FS: 0x200, NEWNS: 0x20000, NEWUTS: 0x4000000, NEWIPC: 0x8000000, NEWNET: 0x40000000 } as const;

/** `mount(2)` flags. @see linux/mount.h */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
  SHARED: 1 << 20,
} as const;

/** `umount2(2)` flags. @see linux/fs.h */
export const UMOUNT = { DETACH: 2, NOFOLLOW: 8 } as const;

const CLOCK_BOOTTIME = 7;
const LOCK_EX = 2;
const LOCK_NB = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const EFD_CLOEXEC = O.CLOEXEC;
const EFD_NONBLOCK = O.NONBLOCK;

/** These numbers are the same on every architecture. @see asm-generic/unistd.h */
const SYS = { pidfdSendSignal: 424, pidfdOpen: 434, openat2: 437 } as const;

/** A failed call, with the system's error name in `code` as Node's own errors have it. */
class SystemError extends Error {
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `E${errno}`;
    super(`${call}: ${code}`);
    this.name = 'SystemError';
    this.code = code;
  }
}

/** Gives a call's result back, or throws with the system's error: to be asked right after it. */
export function checked(result: number | bigint, call: string): number {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return Number(result);
}

const timespec = Buffer.alloc(16);

/** CLOCK_BOOTTIME in ms. */
export function boottime(): number {
  checked(clockGettime(CLOCK_BOOTTIME, timespec), 'clock_gettime');
  return Number(timespec.readBigInt64LE(0)) * 1_000 + Number(timespec.readBigInt64LE(8)) / 1_000_000;
}

/** Always with O_CLOEXEC: a descriptor that a container inherited would outlive the daemon. */
export function open(path: string, flags: number, mode = 0): number {
  return checked(openFd(path, flags | O.CLOEXEC, mode), `open ${path}`);
}

export function close(fd: number): void {
  closeFd(fd);
}

export function write(fd: number, data: Buffer): number {
  return checked(writeFd(fd, data, data.length), 'write');
}

export function read(fd: number, into: Buffer): number {
  return checked(readFd(fd, into, into.length), 'read');
}

/** @param fds an array of struct pollfd: int fd, short events, short revents */
export function poll(fds: Buffer, count: number, timeoutMs: number): number {
  const ready = pollFds(fds, count, timeoutMs);
  if (ready < 0 && koffi.errno() === koffi.os.errno.EINTR) return 0;
  return checked(ready, 'poll');
}

export function eventfd(): number {
  return checked(eventFd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
}

/** A pipe's end to read from and its end to write to. */
export function pipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends: [number, number] = [-1, -1];
  checked(pipe2Call(ends, O.CLOEXEC), 'pipe2');
  return { readEnd: ends[0], writeEnd: ends[1] };
}

/** Returns false when somebody else holds the lock. */
export function tryLock(fd: number): boolean {
  const result = flockFd(fd, LOCK_EX | LOCK_NB);
  if (result < 0 && koffi.errno() === koffi.os.errno.EAGAIN) return false;
  checked(result, 'flock');
  return true;
}

export function ioctl(fd: number, request: number, data: Buffer): number {
  return checked(ioctlBuffer(fd, request, data), 'ioctl');
}

export function becomeSubreaper(): void {
  checked(prctlCall(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'prctl');
}

/** Refers to a process whatever becomes of its number. Set CLOEXEC by the kernel. */
export function pidfdOpen(pid: number): number {
  return checked(syscallNumbers(SYS.pidfdOpen, pid, 0, 0, 0), `pidfd_open ${pid}`);
}

/** @throws SystemError ESRCH when the process has been reaped */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  checked(syscallNumbers(SYS.pidfdSendSignal, pidfd, signal, 0, 0), 'pidfd_send_signal');
}

const P_PIDFD = 3;
const WNOHANG = 1;
const WEXITED = 4;
const siginfo = Buffer.alloc(128);

/** Reaps a child of ours that has ended. Returns whether there was one to reap. */
export function reapByPidfd(pidfd: number): boolean {
  siginfo.fill(0);
  const result = waitidCall(P_PIDFD, pidfd, siginfo, WEXITED | WNOHANG);
  return result === 0 && siginfo.readInt32LE(0) !== 0;
}

export function unshare(flags: number): void {
  checked(unshareCall(flags), 'unshare');
}

export function setns(fd: number, type: number): void {
  checked(setnsCall(fd, type), 'setns');
}

export function mount(source: string, target: string, type: string | null, flags: number, data: string | null): void {
  checked(mountCall(source, target, type, flags, data), `mount ${target}`);
}

export function umount(target: string, flags: number): void {
  checked(umountCall(target, flags), `umount ${target}`);
}

export function chdir(path: string): void {
  checked(chdirCall(path), `chdir ${path}`);
}

export function fchdir(fd: number): void {
  checked(fchdirCall(fd), 'fchdir');
}

export function chroot(path: string): void {
  checked(chrootCall(path), `chroot ${path}`);
}

export function sethostname(name: string): void {
  checked(sethostnameCall(name, Buffer.byteLength(name)), 'sethostname');
}

export function socket(domain: number, type: number, protocol = 0): number {
  return checked(socketCall(domain, type | O.CLOEXEC, protocol), 'socket');
}

/** @param address a struct sockaddr of the socket's domain */
export function bind(fd: number, address: Buffer): void {
  checked(bindCall(fd, address, address.length), 'bind');
}

export function setSocketOption(fd: number, level: number, name: number, value: number): void {
  const data = Buffer.alloc(4);
  data.writeInt32LE(value);
  checked(setsockoptCall(fd, level, name, data, data.length), 'setsockopt');
}

const AF_UNIX = 1;

/** Connects to a unix socket; a name that begins with `@` is in the abstract namespace. @see unix(7) */
export function connectUnix(fd: number, path: string): void {
  const name = Buffer.from(path);
  if (path.startsWith('@')) name[0] = 0;
  const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  checked(connectCall(fd, address, address.length), `connect ${path}`);
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Who connected to a unix socket, as the kernel saw it then. */
export function peerCredentials(fd: number): { readonly pid: number; readonly uid: number } {
  const credentials = Buffer.alloc(12);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(credentials.length);
  checked(getsockoptCall(fd, SOL_SOCKET, SO_PEERCRED, credentials, size), 'getsockopt');
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) };
}

/** A path is bytes to the kernel: one that is not UTF-8 comes as such, without the zero byte at its end. */
function pathArgument(path: string | Buffer): string | Buffer {
  return typeof path === 'string' ? path : Buffer.concat([path, Buffer.alloc(1)]);
}

export function mknod(path: string | Buffer, mode: number, device: number): void {
  checked(mknodCall(pathArgument(path), mode, device), `mknod ${String(path)}`);
}

export function lsetxattr(path: string | Buffer, name: string, value: string): void {
  const data = Buffer.from(value);
  checked(lsetxattrCall(pathArgument(path), name, data, data.length, 0), `lsetxattr ${String(path)}`);
}

const RESOLVE_IN_ROOT = 0x10;

/** Opens `path` as if `folder` were the root: links, absolute ones too, stay inside it. @see openat2(2) */
export function openInRoot(folder: number, path: string | Buffer, flags: number): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O.CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT), 16);
  return checked(syscallOpenat2(SYS.openat2, folder, pathArgument(path), how, how.length), `openat2 ${String(path)}`);
}
