import koffi from 'koffi';
import { O, checked, close, libc, open, socket } from './abi.ts';

/**
 * What Node does not do with unix sockets: packets, descriptors that are passed, names that are too long for an address,
 * and looks at sockets of other processes. No call here waits.
 * @see unix(7)
 */
const bindCall = libc.func('int bind(int fd, const void *address, unsigned int size)');
const listenCall = libc.func('int listen(int fd, int backlog)');
const acceptCall = libc.func('int accept4(int fd, void *address, void *size, int flags)');
const connectCall = libc.func('int connect(int fd, const void *address, unsigned int size)');
const getsocknameCall = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ void *size)');
const getpeernameCall = libc.func('int getpeername(int fd, _Out_ void *address, _Inout_ void *size)');
const setsockoptCall = libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int size)');
const shutdownCall = libc.func('int shutdown(int fd, int how)');
koffi.struct('iovec', { base: 'void *', size: 'size_t' });
koffi.struct('msghdr', {
  name: 'void *',
  nameSize: 'uint32_t',
  parts: 'iovec *',
  partCount: 'size_t',
  control: 'void *',
  controlSize: 'size_t',
  flags: 'int',
});
const recvmsgCall = libc.func('long recvmsg(int fd, _Inout_ msghdr *message, int flags)');
const syscallNumbers = libc.func('long syscall(long number, long a, long b, long c)');

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const SO_SNDBUFFORCE = 32;
const SCM_RIGHTS = 1;
const SHUT_WR = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const LARGEST_ADDRESS_BYTES = 110;
/** The same on every architecture. @see asm-generic/unistd.h */
const SYS_PIDFD_GETFD = 438;

/** Listens for streams at `name` in `folder`, however long that folder's path is. */
export function listenInFolder(folder: string, name: string): number {
  return withFolder(folder, name, (address) => {
    const fd = socket(AF_UNIX, SOCK_STREAM | O.NONBLOCK);
    try {
      checked(bindCall(fd, address, address.length), `bind ${folder}/${name}`);
      checked(listenCall(fd, 1), `listen ${folder}/${name}`);
      return fd;
    } catch (error) {
      close(fd);
      throw error;
    }
  });
}

/** Returns undefined when nobody has connected. */
export function accept(listener: number): number | undefined {
  return unlessAgain(acceptCall(listener, null, null, O.CLOEXEC | O.NONBLOCK), 'accept4');
}

/**
 * Connects to the socket of packets at `name` in `folder`. The connection has a name of its own, by which its other end
 * can be told from others.
 */
export function connectPackets(folder: string, name: string): number {
  return withFolder(folder, name, (address) => {
    const fd = socket(AF_UNIX, SOCK_SEQPACKET | O.NONBLOCK);
    try {
      const anyName = Buffer.alloc(2);
      anyName.writeUInt16LE(AF_UNIX);
      checked(bindCall(fd, anyName, anyName.length), 'bind');
      checked(connectCall(fd, address, address.length), `connect ${folder}/${name}`);
      return fd;
    } catch (error) {
      close(fd);
      throw error;
    }
  });
}

/** A socket's own address, as something to compare. */
export function nameOf(fd: number): string {
  const [address, size] = addressBuffers();
  checked(getsocknameCall(fd, address, size), 'getsockname');
  return address.toString('hex', 0, size.readUInt32LE());
}

/** The address of whom a socket is connected to; undefined when it is not connected, or no socket. */
export function peerNameOf(fd: number): string | undefined {
  const [address, size] = addressBuffers();
  const result: number = getpeernameCall(fd, address, size);
  return result < 0 ? undefined : address.toString('hex', 0, size.readUInt32LE());
}

/**
 * Takes the descriptor that waits in a connection. It is CLOEXEC.
 * @returns undefined when nothing has come yet
 * @throws Error when something else came
 */
export function receiveDescriptor(connection: number): number | undefined {
  const data = Buffer.alloc(256);
  const control = Buffer.alloc(20); // struct cmsghdr and one descriptor: the kernel closes what else is sent
  const message = {
    name: null,
    nameSize: 0,
    parts: [{ base: data, size: data.length }],
    partCount: 1,
    control,
    controlSize: control.length,
    flags: 0,
  };
  const received = unlessAgain(recvmsgCall(connection, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 'recvmsg');
  if (received === undefined) return undefined;
  const isDescriptor =
    message.controlSize === control.length &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS;
  if (!isDescriptor) throw new Error('recvmsg: there is no descriptor in the message');
  return control.readInt32LE(16);
}

/**
 * Duplicates a descriptor of another process: what is done with it, is done with theirs.
 * @throws SystemError EPERM where this process may not look into that one; EBADF
 * @see pidfd_getfd(2)
 */
export function duplicateFrom(pidfd: number, fd: number): number {
  return checked(syscallNumbers(SYS_PIDFD_GETFD, pidfd, fd, 0), `pidfd_getfd ${fd}`);
}

/** A send that finds no room waits so long at most, and fails with EAGAIN then. */
export function setSendTimeout(fd: number, ms: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(ms / 1_000)), 0);
  time.writeBigInt64LE(BigInt((ms % 1_000) * 1_000), 8);
  checked(setsockoptCall(fd, SOL_SOCKET, SO_SNDTIMEO, time, time.length), 'setsockopt SO_SNDTIMEO');
}

/** Makes room for what is sent and not read yet, past the host's limit. Returns false where that is not allowed. */
export function growSendBuffer(fd: number, bytes: number): boolean {
  const value = Buffer.alloc(4);
  value.writeInt32LE(bytes);
  const result: number = setsockoptCall(fd, SOL_SOCKET, SO_SNDBUFFORCE, value, value.length);
  return result === 0;
}

/** Nothing more will be sent. The other end is told so. */
export function endSending(fd: number): void {
  shutdownCall(fd, SHUT_WR); // one that is closed at its other end has nobody to tell
}

/** An address holds 107 bytes. A folder that is open has a short name. */
function withFolder(folder: string, name: string, use: (address: Buffer) => number): number {
  const opened = open(folder, O.PATH | O.DIRECTORY);
  try {
    const path = Buffer.from(`/proc/self/fd/${opened}/${name}\0`);
    const address = Buffer.alloc(2 + path.length);
    address.writeUInt16LE(AF_UNIX);
    path.copy(address, 2);
    return use(address);
  } finally {
    close(opened);
  }
}

function addressBuffers(): [address: Buffer, size: Buffer] {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(LARGEST_ADDRESS_BYTES);
  return [Buffer.alloc(LARGEST_ADDRESS_BYTES), size];
}

function unlessAgain(result: number | bigint, call: string): number | undefined {
  return result < 0 && koffi.errno() === koffi.os.errno.EAGAIN ? undefined : checked(result, call);
}
