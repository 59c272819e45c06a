import { closeSync, openSync, readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { errnoOf, messageOf } from '../base/errors.ts';
import { CLONE, chdir, chroot, fchdir, mount, setns, unshare } from './abi.ts';
import { idmappedPlace } from './mount-tree.ts';
import type { AnswerTo, ThreadAnswer, ThreadCall, ThreadRequest } from './namespaces.ts';
import { Astray, Home, SysctlError, pin, unmount, unpin } from './pin.ts';

/**
 * The thread that enters namespaces and makes mounts. Both belong to a thread in Linux, so the event loop's own are
 * never touched.
 */
const port = parentPort;
if (port === null) throw new Error('Cannot enter namespaces: this file runs as a worker thread only');

unshare(CLONE.FS); // a working directory of its own, so that overlays can be given short relative layer names
const home = new Home();

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

function mountFrom({ folder, idmap, ...order }: Extract<ThreadCall, { op: 'mount' }>): void {
  using places = new DisposableStack();
  if (folder !== undefined) {
    if (idmap !== undefined) places.use(idmappedPlace(folder, idmap.userNamespace, idmap.place));
    places.defer(() => chdir('/'));
    chdir(idmap?.place ?? folder);
  }
  mount(order.source, order.target, order.type, order.flags, order.data);
}

/** The way back is one for all of them. */
function readNetworks(pins: readonly string[]): (string | undefined)[] {
  try {
    return pins.map(readNetwork);
  } finally {
    home.enter();
  }
}

function readNetwork(path: string): string | undefined {
  try {
    const namespace = openSync(path, 'r');
    try {
      setns(namespace, CLONE.NEWNET);
    } finally {
      closeSync(namespace);
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EINVAL') return undefined; // gone, or not pinned any more
    throw error;
  }
  return readFileSync('/proc/thread-self/net/dev', 'utf8');
}

function perform(call: ThreadCall): AnswerTo<ThreadCall> | void {
  switch (call.op) {
    case 'pin':
      return pin(call, home);
    case 'unpin':
      return unpin(call.path);
    case 'mount':
      return mountFrom(call);
    case 'unmount':
      return unmount(call.target);
    case 'is-in-chroot':
      return isInChroot();
    case 'read-network':
      return readNetworks(call.pins);
  }
}

port.on('message', ({ id, call }: ThreadRequest) => {
  let answer: ThreadAnswer;
  try {
    answer = { id, value: perform(call) ?? true };
  } catch (error) {
    if (error instanceof Astray) throw error; // ends the thread, and with it every call that waits
    const sysctl = error instanceof SysctlError ? error.sysctl : undefined;
    answer = { id, error: { message: messageOf(error), code: errnoOf(error), sysctl } };
  }
  port.postMessage(answer);
});
