import { readFileSync } from 'node:fs';
import { isMissing, errnoOf } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { close, pidfdOpen, pidfdSendSignal } from './abi.ts';

/** The parts of /proc/PID/stat that berth uses. @see proc_pid_stat(5) */
export interface ProcessStat {
  readonly comm: string;
  /** `R`, `S`, `D`, `T`, `Z` and so on. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTime: number;
  /** A zombie's raw wait status, field 52; 0 for those who may not trace the process. */
  readonly waitStatus: number;
}

/** What a process does with each signal, as bit masks: bit n-1 stands for signal n. @see proc_pid_status(5) */
export interface SignalMasks {
  /** Sent to the process as a whole and not delivered yet. */
  readonly pending: bigint;
  readonly blocked: bigint;
  readonly ignored: bigint;
  readonly caught: bigint;
}

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Returns undefined when there is no such process (any more). */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** The name in parentheses may hold blanks and parentheses itself, so the fields are counted from its end. */
export function parseStat(text: string): ProcessStat {
  const open = text.indexOf('(');
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return {
    comm: text.slice(open + 1, end),
    state: fields[0] ?? '?',
    parent: field(4),
    group: field(5),
    session: field(6),
    startTime: field(22),
    waitStatus: field(52),
  };
}

export function readSignalMasks(pid: number): SignalMasks | undefined {
  const text = readProc(`/proc/${pid}/status`);
  if (text === undefined) return undefined;
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(text)?.[1] ?? '0'}`);
  return {
    pending: mask('ShdPnd') | mask('SigPnd'),
    blocked: mask('SigBlk'),
    ignored: mask('SigIgn'),
    caught: mask('SigCgt'),
  };
}

export function hasSignal(mask: bigint, signal: number): boolean {
  return (mask & (1n << BigInt(signal - 1))) !== 0n;
}

/** Returns undefined when the process is gone, or gone and replaced by another one of the same number. */
export function identify(bootId: string, pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : { bootId, pid, startTime: stat.startTime };
}

/** A running process or a zombie: it has not been reaped, so its number still means it. */
export function isPresent(identity: ProcessIdentity, bootId: string): boolean {
  return identity.bootId === bootId && readStat(identity.pid)?.startTime === identity.startTime;
}

/** Present and not a zombie. */
export function isRunning(identity: ProcessIdentity, bootId: string): boolean {
  if (identity.bootId !== bootId) return false;
  const stat = readStat(identity.pid);
  return stat?.startTime === identity.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Holds on to one process. Signals through it can never hit another one that got the same number. */
export class Pidfd implements Disposable {
  readonly identity: ProcessIdentity;
  readonly fd: number;
  #closed = false;

  private constructor(identity: ProcessIdentity, fd: number) {
    this.identity = identity;
    this.fd = fd;
  }

  /** Returns undefined when the process is gone. The start time is read after the open: before it, it proves nothing. */
  static open(identity: ProcessIdentity, bootId: string): Pidfd | undefined {
    if (identity.bootId !== bootId) return undefined;
    let fd: number;
    try {
      fd = pidfdOpen(identity.pid);
    } catch (error) {
      // EINVAL: kernels before 6.15 say so when only a session or a group still goes by the number of its dead leader
      if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EINVAL') return undefined;
      throw error;
    }
    if (isPresent(identity, bootId)) return new Pidfd(identity, fd);
    close(fd);
    return undefined;
  }

  /** Returns false when the process has ended. */
  signal(number: number): boolean {
    if (this.#closed) return false;
    try {
      pidfdSendSignal(this.fd, number);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
  }
}

/** How a process ended, from its raw wait status. @see wait(2) */
export interface WaitStatus {
  /** What shells show: the exit code, or 128 + n after signal n. */
  readonly code: number;
  /** The signal that ended it. */
  readonly signal: number | undefined;
}

export function decodeWaitStatus(raw: number): WaitStatus {
  const signal = raw & 0x7f;
  return signal === 0 ? { code: (raw >> 8) & 0xff, signal: undefined } : { code: 128 + signal, signal };
}

/** procfs answers from memory, so these reads may be synchronous. A process that ends between open and read: ESRCH. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}
