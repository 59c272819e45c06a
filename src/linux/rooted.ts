import { closeSync, constants, fstatSync, openSync, readSync, readlinkSync } from 'node:fs';
import { errnoOf, isMissing } from '../base/errors.ts';
import { O, close, open, openInRoot } from './abi.ts';

/** More than any passwd or group file; an image may put anything there. */
const LARGEST_FILE_BYTES = 4 << 20;

/**
 * Reads a file of a container's root as the container would see it: a link to `/etc/shadow` means the container's, not
 * the host's. What stands there is looked at before it is opened: to open a device does something to it.
 * @returns undefined when there is no such file, or when what is there is no plain file of at most 4 MiB
 */
export function readInRoot(root: string, path: string): string | undefined {
  const folder = open(root, O.PATH | O.DIRECTORY);
  try {
    const found = openInRoot(folder, path, O.PATH);
    try {
      return fstatSync(found).isFile() ? readAtMost(`/proc/self/fd/${found}`) : undefined;
    } finally {
      closeSync(found);
    }
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return undefined;
    throw error;
  } finally {
    close(folder);
  }
}

/**
 * What is at a path of a container's root, as the container would see it. The root must not change meanwhile.
 * @returns the path from the root on, with its links resolved; undefined when nothing is there
 */
export function findInRoot(
  root: string,
  path: string,
): { readonly path: string; readonly kind: 'folder' | 'file' | 'other' } | undefined {
  const folder = open(root, O.PATH | O.DIRECTORY);
  try {
    const found = openInRoot(folder, path, O.PATH);
    try {
      const stat = fstatSync(found);
      const kind = stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
      return { path: pathOf(found).slice(pathOf(folder).length), kind };
    } finally {
      closeSync(found);
    }
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return undefined;
    throw error;
  } finally {
    close(folder);
  }
}

function pathOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** The container may write to the file meanwhile, so its size is not asked but counted. */
function readAtMost(path: string): string | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; size <= LARGEST_FILE_BYTES; ) {
      const chunk = Buffer.alloc(64 << 10);
      const count = readSync(fd, chunk);
      if (count === 0) return Buffer.concat(chunks).toString('utf8');
      chunks.push(chunk.subarray(0, count));
      size += count;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
