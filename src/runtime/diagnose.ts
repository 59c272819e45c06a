import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { arch } from 'node:process';
import type { ProcessIdentity } from '../base/process-identity.ts';
import type { ProcessDiagnosis, RunDiagnosis } from '../engine/ports.ts';
import type { Cgroup } from '../linux/cgroup.ts';
import { isPresent, readStat } from '../linux/process.ts';

/** More than that says nothing to anybody. */
const MOST_PROCESSES = 50;

/** System calls that hang on file systems, by number. @see asm/unistd_64.h, asm-generic/unistd.h */
const CALLS: Readonly<Record<string, ReadonlyMap<number, string>>> = {
  x64: numbered(
    '0 read 1 write 2 open 3 close 4 stat 5 fstat 17 pread64 18 pwrite64 19 readv 20 writev 74 fsync 75 fdatasync ' +
      '76 truncate 77 ftruncate 82 rename 83 mkdir 84 rmdir 87 unlink 162 sync 217 getdents64 257 openat 258 mkdirat ' +
      '262 newfstatat 263 unlinkat 264 renameat 280 utimensat 285 fallocate 306 syncfs 316 renameat2 332 statx',
  ),
  arm64: numbered(
    '34 mkdirat 35 unlinkat 38 renameat 45 truncate 46 ftruncate 47 fallocate 56 openat 57 close 61 getdents64 63 read ' +
      '64 write 65 readv 66 writev 67 pread64 68 pwrite64 79 newfstatat 80 fstat 81 sync 82 fsync 83 fdatasync ' +
      '88 utimensat 267 syncfs 276 renameat2 291 statx',
  ),
};

/** Those whose first argument is the descriptor of the file that a stuck process works on. */
const WITH_FD = new Set(
  'read write close fstat pread64 pwrite64 readv writev fsync fdatasync ftruncate fallocate getdents64 syncfs'.split(
    ' ',
  ),
);

function numbered(text: string): ReadonlyMap<number, string> {
  return new Map([...text.matchAll(/(\d+) (\w+)/g)].map(([, number, name = '']) => [Number(number), name]));
}

export interface DiagnoseInput {
  readonly cgroup: Cgroup;
  readonly monitor: ProcessIdentity | undefined;
  readonly bootId: string;
  /** The write ends of outputs whose command has ended, as /proc/PID/fd shows them. */
  readonly drainingLinks: readonly string[];
}

/** Reads procfs and cgroupfs only: nothing here asks the file system that a process is stuck on. */
export function diagnoseRun({ cgroup, monitor, bootId, drainingLinks }: DiagnoseInput): RunDiagnosis {
  const processes = cgroup.pids().slice(0, MOST_PROCESSES);
  return {
    frozenBy: cgroup.frozenBy(),
    monitor: monitorState(monitor, bootId),
    processes: processes.map((pid) => diagnoseProcess(pid, drainingLinks)).filter((found) => found !== undefined),
  };
}

function monitorState(monitor: ProcessIdentity | undefined, bootId: string): RunDiagnosis['monitor'] {
  if (monitor === undefined) return 'alive';
  const stat = isPresent(monitor, bootId) ? readStat(monitor.pid) : undefined;
  if (stat === undefined || stat.state === 'Z') return 'gone';
  return stat.state === 'T' ? 'stopped' : 'alive';
}

function diagnoseProcess(pid: number, drainingLinks: readonly string[]): ProcessDiagnosis | undefined {
  const stat = readStat(pid);
  if (stat === undefined) return undefined;
  const holdsOutput = drainingLinks.length > 0 && openFiles(pid).some((link) => drainingLinks.includes(link));
  const base = { pid, command: stat.comm, state: stat.state, holdsOutput };
  if (stat.state !== 'D') return base;
  const waitsIn = readText(`/proc/${pid}/wchan`)?.replace(/^0$/, '');
  const call = currentCall(pid);
  const file = call?.fd === undefined ? undefined : linkOf(`/proc/${pid}/fd/${call.fd}`);
  const mount = mountOf(pid, file);
  return {
    ...base,
    ...(waitsIn ? { waitsIn } : {}),
    ...(call === undefined ? {} : { syscall: call.name }),
    ...(mount === undefined ? {} : { mount }),
  };
}

/** @see proc_pid_syscall(5): the number, then its arguments in hexadecimal */
function currentCall(pid: number): { readonly name: string; readonly fd: number | undefined } | undefined {
  const [number, first] = (readText(`/proc/${pid}/syscall`) ?? '').split(' ');
  if (number === undefined || !/^\d+$/.test(number)) return undefined;
  const name = CALLS[arch]?.get(Number(number)) ?? `number ${number}`;
  return { name, fd: WITH_FD.has(name) ? Number(first) : undefined };
}

/**
 * The mount of the file it works on. When the call does not say which file that is, the only mount besides the root
 * that is a real file system of the host is the likely one.
 */
function mountOf(pid: number, file: string | undefined): string | undefined {
  const mounts = (readText(`/proc/${pid}/mountinfo`) ?? '').split('\n').map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    return { target: left.split(' ')[4] ?? '', type: right.split(' ')[0] ?? '' };
  });
  if (file?.startsWith('/') === true) {
    const holders = mounts.filter(({ target }) => target === '/' || file === target || file.startsWith(`${target}/`));
    return holders.toSorted((a, b) => b.target.length - a.target.length)[0]?.target;
  }
  const real = mounts.filter(
    ({ target, type }) => target !== '/' && !KERNEL_TYPES.has(type) && !target.startsWith('/etc/'),
  );
  return real.length === 1 ? real[0]?.target : undefined;
}

const KERNEL_TYPES = new Set([
  ...'proc sysfs tmpfs devtmpfs ramfs devpts mqueue cgroup cgroup2 overlay securityfs debugfs tracefs bpf'.split(' '),
  '',
]);

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`) ?? []);
  } catch {
    return []; // it has ended in the meantime
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // it was closed in the meantime
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // it has ended, or this kernel does not tell
  }
}
