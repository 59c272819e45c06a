import { mkdirSync, rmdirSync } from 'node:fs';
import koffi from 'koffi';
import { O, UMOUNT, checked, close, open, umount } from './abi.ts';

const libc = koffi.load('libc.so.6');
const openTree = libc.func('long syscall(long number, long folder, const char *path, long flags)');
const moveMount = libc.func(
  'long syscall(long number, long from, const char *source, long to, const char *target, long flags)',
);
const mountSetattr = libc.func(
  'long syscall(long number, long tree, const char *path, long flags, const void *attributes, long size)',
);

/** These numbers are the same on every architecture. @see asm-generic/unistd.h */
const SYS = { openTree: 428, moveMount: 429, mountSetattr: 442 } as const;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_IDMAP = 0x100000;

/**
 * Makes a place at which a folder is seen as the users of a namespace see it: a file of user 0 on the disk belongs to
 * the namespace's user 0. What is mounted below the folder is not there.
 * @param place a path where nothing is yet; it goes when this is disposed of, whatever was made of it lives on
 * @throws SystemError EINVAL where the file system cannot; ENOSYS before Linux 5.12
 * @see mount_setattr(2), ID-mapped mounts
 */
export function idmappedPlace(folder: string, userNamespace: string, place: string): Disposable {
  using undo = new DisposableStack();
  mkdirSync(place, { mode: 0o700 });
  undo.defer(() => rmdirSync(place));
  mountIdmapped(folder, userNamespace, place);
  undo.defer(() => umount(place, UMOUNT.DETACH | UMOUNT.NOFOLLOW));
  return undo.move();
}

function mountIdmapped(folder: string, userNamespace: string, target: string): void {
  using opened = new DisposableStack();
  const users = open(userNamespace, O.RDONLY);
  opened.defer(() => close(users));
  const tree = checked(openTree(SYS.openTree, AT_FDCWD, folder, OPEN_TREE_CLONE | O.CLOEXEC), `open_tree ${folder}`);
  opened.defer(() => close(tree));
  checked(mountSetattr(SYS.mountSetattr, tree, '', AT_EMPTY_PATH, attributes(users), 32), `mount_setattr ${folder}`);
  checked(moveMount(SYS.moveMount, tree, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), `move_mount ${target}`);
}

/** @see linux/mount.h, struct mount_attr: attr_set, attr_clr, propagation, userns_fd */
function attributes(userNamespace: number): Buffer {
  const buffer = Buffer.alloc(32);
  buffer.writeBigUInt64LE(BigInt(MOUNT_ATTR_IDMAP), 0);
  buffer.writeBigUInt64LE(BigInt(userNamespace), 24);
  return buffer;
}
