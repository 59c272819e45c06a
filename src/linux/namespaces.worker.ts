import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { errnoOf, messageOf } from '../base/errors.ts';
import {
  CLONE,
  MNT_DETACH,
  MS,
  O,
  chdir,
  chroot,
  close,
  fchdir,
  ioctl,
  mount,
  open,
  sethostname,
  setns,
  socket,
  umount,
  unshare,
} from './abi.ts';
import type { ThreadAnswer, ThreadCall, ThreadRequest } from './namespaces.ts';

/**
 * The thread that enters namespaces and makes mounts. Both belong to a thread in Linux, so the event loop's own are
 * never touched.
 */
const port = parentPort;
if (port === null) throw new Error('Cannot enter namespaces: this file runs as a worker thread only');

const KINDS = {
  net: { flag: CLONE.NEWNET, file: '/proc/thread-self/ns/net' },
  ipc: { flag: CLONE.NEWIPC, file: '/proc/thread-self/ns/ipc' },
  uts: { flag: CLONE.NEWUTS, file: '/proc/thread-self/ns/uts' },
} as const;

unshare(CLONE.FS); // a working directory of its own, so that overlays can be given short relative layer names
const home = Object.values(KINDS).map(({ flag, file }) => ({ flag, fd: open(file, O.RDONLY) }));

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

function pin(call: Extract<ThreadCall, { op: 'pin' }>): void {
  const wanted = Object.entries(call.paths) as [keyof typeof KINDS, string][];
  try {
    unshare(wanted.reduce((flags, [kind]) => flags | KINDS[kind].flag, 0));
    if (call.paths.net !== undefined) bringLoopbackUp();
    if (call.paths.uts !== undefined && call.hostname !== undefined) sethostname(call.hostname);
    for (const [kind, path] of wanted) {
      closeSync(openSync(path, 'w'));
      mount(KINDS[kind].file, path, null, MS.BIND, null);
    }
  } finally {
    for (const { flag, fd } of home) setns(fd, flag);
  }
}

/** Detached: whoever is still in the namespace keeps it, the name goes at once. */
function unpin(path: string): void {
  unmount(path);
  rmSync(path, { force: true });
}

function unmount(target: string): void {
  try {
    for (;;) umount(target, MNT_DETACH);
  } catch (error) {
    const isNotMounted = errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT';
    if (!isNotMounted) throw error;
  }
}

/**
 * Whoever enters a mount namespace gets its root, not that of a chroot.
 * @see setns(2); kernel fs/namespace.c, mntns_install
 */
function isInChroot(): boolean {
  const namespace = openSync('/proc/thread-self/ns/mnt', 'r');
  const own = openSync('/', 'r');
  setns(namespace, CLONE.NEWNS);
  const entered = openSync('/', 'r');
  fchdir(own);
  chroot('.');
  const isOther = mountOf(own) !== mountOf(entered);
  for (const fd of [namespace, own, entered]) closeSync(fd);
  return isOther;
}

function mountOf(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/thread-self/fdinfo/${fd}`, 'utf8'))?.[1];
}

function perform(call: ThreadCall): boolean | void {
  switch (call.op) {
    case 'pin':
      return pin(call);
    case 'unpin':
      return unpin(call.path);
    case 'mount':
      if (call.folder !== undefined) chdir(call.folder);
      try {
        return mount(call.source, call.target, call.type, call.flags, call.data);
      } finally {
        if (call.folder !== undefined) chdir('/');
      }
    case 'unmount':
      return unmount(call.target);
    case 'is-in-chroot':
      return isInChroot();
  }
}

port.on('message', ({ id, call }: ThreadRequest) => {
  let answer: ThreadAnswer;
  try {
    answer = { id, value: perform(call) === true };
  } catch (error) {
    answer = { id, error: { message: messageOf(error), code: errnoOf(error) } };
  }
  port.postMessage(answer);
});
