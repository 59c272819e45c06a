import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { O, close } from '../linux/abi.ts';
import { Pidfd } from '../linux/process.ts';
import { setNonblocking } from '../linux/transfer.ts';
import {
  connectPackets,
  duplicateFrom,
  growSendBuffer,
  nameOf,
  peerNameOf,
  setSendTimeout,
} from '../linux/unix-sockets.ts';

/** A monitor that does not take a connection within this time hangs, or stands still. */
const ACCEPT_WITHIN_MS = 2_000;
/** What is printed waits so long for a daemon that stands still; then conmon lets go of it. */
const STALL_MS = 1_000;
/** And so much of it waits before that. */
const BUFFER_BYTES = 1 << 20;

const O_ACCMODE = 3;

/**
 * Connects to conmon's attach socket: packets with what is printed from now on, and input the other way.
 *
 * conmon writes to it with blocking writes, and does nothing else meanwhile: the container's output and the notice of
 * its end would wait for a daemon that is stopped. So the other end of the connection, which is conmon's, gets a
 * deadline for its writes. When it passes, conmon drops this connection and goes on. conmon from 2.1.13 on tries again
 * for ever, and there this holds up to the buffer only.
 * @throws BerthError Unavailable when the monitor does not answer, or is gone
 * @see conmon src/conn_sock.c, write_back_to_remote_consoles; src/utils.c, write_all
 */
export async function connectToConmon(folder: string, monitor: ProcessIdentity, bootId: string): Promise<number> {
  const connection = connect(folder);
  try {
    await limitWrites(connection, monitor, bootId);
    return connection;
  } catch (error) {
    close(connection);
    throw error;
  }
}

function connect(folder: string): number {
  try {
    return connectPackets(folder, 'attach');
  } catch (error) {
    throw new BerthError('Unavailable', 'Cannot attach: its monitor is gone, or takes no connection', { cause: error });
  }
}

/** Where this host does not let other processes' descriptors be had, writes wait as long as conmon lets them. */
async function limitWrites(connection: number, monitor: ProcessIdentity, bootId: string): Promise<void> {
  const ownName = nameOf(connection);
  const end = performance.now() + ACCEPT_WITHIN_MS;
  while (performance.now() < end) {
    const accepted = borrow(monitor, bootId, isSocket, (fd) => peerNameOf(fd) === ownName);
    if (accepted === 'refused') return;
    if (accepted !== undefined) {
      setSendTimeout(accepted, STALL_MS);
      growSendBuffer(accepted, BUFFER_BYTES);
      close(accepted); // at once: with a copy of it in here, its end would never be seen
      return;
    }
    await sleepFor(1);
  }
  throw new BerthError('Unavailable', `Cannot attach: its monitor does not answer within ${ACCEPT_WITHIN_MS} ms`);
}

/**
 * The monitor's own end of the run's input: the pipe, or the terminal. conmon would pass input on too, but it runs in
 * circles for the rest of the run when the program has closed its input.
 * @returns undefined when the input has ended; `refused` where the host does not let it be had
 */
export function borrowInput(
  monitor: ProcessIdentity,
  bootId: string,
  hasTerminal: boolean,
): number | 'refused' | undefined {
  const input = borrow(monitor, bootId, hasTerminal ? isTerminal : isPipeToWrite);
  if (typeof input === 'number') setNonblocking(input); // as conmon itself does with the first client
  return input;
}

interface ForeignDescriptor {
  /** As /proc/PID/fd shows it: `pipe:[4711]`. */
  readonly link: string;
  /** As open(2) has them. */
  readonly flags: number;
}

const isSocket = ({ link }: ForeignDescriptor): boolean => link.startsWith('socket:');
const isTerminal = ({ link }: ForeignDescriptor): boolean => link.endsWith('/ptmx');
/** One of its own: what it was started with is not CLOEXEC. */
const isPipeToWrite = ({ link, flags }: ForeignDescriptor): boolean =>
  link.startsWith('pipe:') && (flags & O_ACCMODE) === O.WRONLY && (flags & O.CLOEXEC) !== 0;

/** Duplicates the first descriptor of the process that fits by its looks and, when it is here, by itself. */
function borrow(
  owner: ProcessIdentity,
  bootId: string,
  looksRight: (description: ForeignDescriptor) => boolean,
  isRight: (fd: number) => boolean = () => true,
): number | 'refused' | undefined {
  using pidfd = Pidfd.open(owner, bootId);
  if (pidfd === undefined) return undefined;
  for (const number of descriptorsOf(owner.pid)) {
    const description = describe(owner.pid, number);
    if (description === undefined || !looksRight(description)) continue;
    const fd = duplicate(pidfd, number);
    if (fd === 'refused') return fd;
    if (fd === undefined) continue;
    if (isRight(fd)) return fd;
    close(fd);
  }
  return undefined;
}

function duplicate(pidfd: Pidfd, fd: number): number | 'refused' | undefined {
  try {
    return duplicateFrom(pidfd.fd, fd);
  } catch (error) {
    return errnoOf(error) === 'EBADF' || errnoOf(error) === 'ESRCH' ? undefined : 'refused'; // closed meanwhile
  }
}

function descriptorsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    return []; // it has ended
  }
}

function describe(pid: number, fd: number): ForeignDescriptor | undefined {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    return { link: readlinkSync(`/proc/${pid}/fd/${fd}`), flags: Number.parseInt(flags, 8) };
  } catch {
    return undefined; // it was closed in the meantime
  }
}
