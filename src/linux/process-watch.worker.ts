import { readFileSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLIN, boottime, ioctl, poll, read } from './abi.ts';
import { parseStat } from './process.ts';
import type { WatchNotice, WatchRequest } from './process-watch.ts';

/**
 * The thread that waits for processes to end. It reads the wait status in the moment between the process's end and its
 * reaping by whoever is the parent, which an event loop that is busy would miss.
 */
const port = parentPort;
if (port === null) throw new Error('Cannot watch processes: this file runs as a worker thread only');
const wakeFd: number = workerData.wakeFd;

const POLLFD_SIZE = 8;
const watched = new Map<number, { readonly pid: number }>();
const wakeCount = Buffer.alloc(8);

function takeRequests(): boolean {
  for (let next = receiveMessageOnPort(port as never); next !== undefined; next = receiveMessageOnPort(port as never)) {
    const request = next.message as WatchRequest;
    if (request.kind === 'end') return false;
    if (request.kind === 'add') watched.set(request.fd, { pid: request.pid });
    else {
      watched.delete(request.fd);
      post({ kind: 'dropped', fd: request.fd });
    }
  }
  return true;
}

function post(notice: WatchNotice): void {
  port?.postMessage(notice);
}

/** Field 52 while it is a zombie; PIDFD_GET_INFO once it is reaped (Linux 6.15); unknown otherwise. */
function waitStatusOf(fd: number, pid: number): number | undefined {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (stat.state === 'Z') return stat.waitStatus;
  } catch {
    // reaped already: the pidfd may still know
  }
  return exitInfoOf(fd);
}

const PIDFD_GET_INFO = 0xc050ff0b;
const PIDFD_INFO_EXIT = 8n;
const EXIT_CODE_OFFSET = 60;

/** @see linux/pidfd.h, struct pidfd_info: mask first, exit_code at byte 60, 80 bytes since 6.15 */
function exitInfoOf(fd: number): number | undefined {
  const info = Buffer.alloc(80);
  info.writeBigUInt64LE(PIDFD_INFO_EXIT, 0);
  try {
    ioctl(fd, PIDFD_GET_INFO, info);
  } catch {
    return undefined; // an older kernel
  }
  return (info.readBigUInt64LE(0) & PIDFD_INFO_EXIT) === 0n ? undefined : info.readInt32LE(EXIT_CODE_OFFSET);
}

while (takeRequests()) {
  const fds = [wakeFd, ...watched.keys()];
  const set = Buffer.alloc(fds.length * POLLFD_SIZE);
  for (const [index, fd] of fds.entries()) {
    set.writeInt32LE(fd, index * POLLFD_SIZE);
    set.writeInt16LE(POLLIN, index * POLLFD_SIZE + 4);
  }
  if (poll(set, fds.length, -1) === 0) continue;
  for (const [index, fd] of fds.entries()) {
    if (set.readInt16LE(index * POLLFD_SIZE + 6) === 0) continue;
    const entry = watched.get(fd);
    if (entry === undefined) {
      read(wakeFd, wakeCount);
      continue;
    }
    watched.delete(fd);
    post({ kind: 'ended', fd, at: boottime(), waitStatus: waitStatusOf(fd, entry.pid) });
  }
}
port.close();
