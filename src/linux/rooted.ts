import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { errnoOf, isMissing } from '../base/errors.ts';
import { O, close, open, openInRoot } from './abi.ts';

/** More than any passwd or group file; an image may put anything there. */
const LARGEST_FILE_BYTES = 4 << 20;

/**
 * Reads a file of a container's root as the container would see it: a link to `/etc/shadow` means the container's, not
 * the host's.
 * @returns undefined when there is no such file, or when what is there is no plain file of at most 4 MiB
 */
export function readInRoot(root: string, path: string): string | undefined {
  const folder = open(root, O.PATH | O.DIRECTORY);
  try {
    const fd = openInRoot(folder, path, O.RDONLY | O.NONBLOCK);
    try {
      const stat = fstatSync(fd);
      return stat.isFile() && stat.size <= LARGEST_FILE_BYTES ? readFileSync(fd, 'utf8') : undefined;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return undefined;
    throw error;
  } finally {
    close(folder);
  }
}
