import { lstatSync, rmSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { isMissing } from '../base/errors.ts';
import { O, close, lsetxattr, mknod, open, openInRoot } from '../linux/abi.ts';
import { WHITEOUT } from './name-list.ts';
import type { WhiteoutResult, WhiteoutWork } from './whiteouts.ts';

/**
 * The thread that turns a layer's whiteouts into overlay's form. Paths are taken as bytes, and folders are opened as if
 * the layer were the root, so that no link in it leads anywhere else.
 */
const { layer, paths } = workerData as WhiteoutWork;

const OPAQUE_MARKER = `${WHITEOUT}${WHITEOUT}.opq`;
/** Marks of aufs's own. */
const META_PREFIX = `${WHITEOUT}${WHITEOUT}`;
const OPAQUE = 'trusted.overlay.opaque';
const CHARACTER_DEVICE = 0o020000;

/** Folder → the names in it. All are bytes, in the form of latin1 text. */
function byFolder(all: Buffer): ReadonlyMap<string, readonly string[]> {
  const folders = new Map<string, string[]>();
  for (const path of all.toString('latin1').split('\0')) {
    if (path === '') continue;
    const slash = path.lastIndexOf('/');
    folders.getOrInsertComputed(path.slice(0, Math.max(slash, 0)), () => []).push(path.slice(slash + 1));
  }
  return folders;
}

function convertFolder(root: number, path: string, names: readonly string[]): void {
  const fd = openIfThere(root, path);
  if (fd === undefined) return;
  try {
    const inFolder = (name: string): Buffer => Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1');
    const { atimeMs, mtimeMs } = statSync(inFolder('.'));
    for (const name of names) convert(name, inFolder);
    utimesSync(inFolder('.'), atimeMs / 1_000, mtimeMs / 1_000);
  } finally {
    close(fd);
  }
}

/** It is gone when a folder that it is in had the name of a whiteout itself. */
function openIfThere(root: number, path: string): number | undefined {
  try {
    return openInRoot(root, Buffer.from(path === '' ? '.' : path, 'latin1'), O.PATH);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function convert(name: string, inFolder: (name: string) => Buffer): void {
  const marker = inFolder(name);
  if (lstatSync(marker).isDirectory()) rmSync(marker, { recursive: true });
  else unlinkSync(marker);
  if (name === OPAQUE_MARKER) lsetxattr(inFolder('.'), OPAQUE, 'y');
  if (name.startsWith(META_PREFIX)) return;
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..') return;
  // A whiteout is about the layers below: what has this name in the same layer stays, and hides theirs by itself.
  const own = lstatSync(inFolder(hidden), { throwIfNoEntry: false });
  if (own === undefined) mknod(inFolder(hidden), CHARACTER_DEVICE, 0);
  else if (own.isDirectory()) lsetxattr(inFolder(hidden), OPAQUE, 'y');
}

function convertAll(): WhiteoutResult {
  const folders = byFolder(Buffer.from(paths));
  const root = open(layer, O.PATH);
  try {
    for (const [path, names] of folders) convertFolder(root, path, names);
  } finally {
    close(root);
  }
  return { hidesLower: folders.get('')?.includes(OPAQUE_MARKER) ?? false };
}

parentPort?.postMessage(convertAll());
