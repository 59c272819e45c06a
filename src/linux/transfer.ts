import koffi from 'koffi';
import { libc } from './abi.ts';

/** Reads and writes that never wait and never throw, for a thread that serves many descriptors. */
const readCall = libc.func('long read(int fd, _Out_ void *data, unsigned long size)');
const writeCall = libc.func('long write(int fd, const void *data, unsigned long size)');
const recvCall = libc.func('long recv(int fd, _Out_ void *data, unsigned long size, int flags)');
const sendCall = libc.func('long send(int fd, const void *data, unsigned long size, int flags)');
const fcntlCall = libc.func('int fcntl(int fd, int command, long argument)');

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/** Not now: there is nothing to read, or no room to write. */
export const AGAIN = -1;
/** Never again: the other end is gone. */
export const OVER = -2;

/** The descriptors that may be read from and written to by these, except for sockets, must not wait. */
export function setNonblocking(fd: number): void {
  const flags: number = fcntlCall(fd, F_GETFL, 0);
  fcntlCall(fd, F_SETFL, flags | O_NONBLOCK);
}

/** Returns the number of bytes, 0 at the end, AGAIN or OVER. A terminal ends with an error. */
export function readNow(fd: number, into: Uint8Array): number {
  return settled(readCall(fd, into, into.length));
}

export function writeNow(fd: number, data: Uint8Array): number {
  return settled(writeCall(fd, data, data.length));
}

/** One packet, or what fits of it. */
export function receiveNow(fd: number, into: Uint8Array): number {
  return settled(recvCall(fd, into, into.length, MSG_DONTWAIT));
}

export function sendNow(fd: number, data: Uint8Array): number {
  return settled(sendCall(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

function settled(result: number | bigint): number {
  if (result >= 0) return Number(result);
  const { EAGAIN, EINTR } = koffi.os.errno;
  const errno = koffi.errno();
  return errno === EAGAIN || errno === EINTR ? AGAIN : OVER;
}
