import { constants } from 'node:fs';
import { lstat, mkdir, open, rm, rmdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BerthError, errnoOf, isMissing } from '../base/errors.ts';

/** For those who collect logs; nobody else is to read what a program says. */
const MODE = 0o640;
const FOLDER_MODE = 0o755;

/**
 * A log may stand where others write too: in a folder that is mounted into a container, what was a log may have become
 * a link to any file of the host, or a FIFO that nobody reads. Neither is followed, written to or waited for.
 */
const CAREFULLY = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** What says that something else than a plain file stands there, or above it. @see open(2) */
const NO_FILE = new Set(['ELOOP', 'EISDIR', 'ENOTDIR', 'ENXIO', 'EEXIST']);

/**
 * Makes the log file and the folders above it. One that is there is left as it is.
 * @throws BerthError InvalidArgument when something else than a plain file stands there
 */
export async function makeLog(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw refusalOf(path, error);
  }
  const file = await openPlain(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT);
  await file.close();
}

/** A log that the monitor has made itself: for root alone. */
export async function openToReaders(path: string): Promise<void> {
  const file = await openPlain(path, constants.O_RDONLY);
  try {
    await file.chmod(MODE);
  } finally {
    await file.close();
  }
}

/** Undefined when there is none. @throws BerthError InvalidArgument when something else than a plain file stands there */
export async function openLogToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await openPlain(path, constants.O_RDONLY);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Removes the log and its rotated predecessors, which stand in a folder of the container's own. */
export async function removeLog(path: string): Promise<void> {
  await rm(path, { force: true });
  try {
    await rmdir(dirname(path));
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && !isMissing(error)) throw error;
  }
}

/** Whether anything stands there, a link to nothing as well. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return false;
    throw error;
  }
}

async function openPlain(path: string, flags: number): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, flags | CAREFULLY, MODE);
  } catch (error) {
    throw refusalOf(path, error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw refusal(path);
}

function refusalOf(path: string, error: unknown): unknown {
  return NO_FILE.has(errnoOf(error) ?? '') ? refusal(path, error) : error;
}

function refusal(path: string, cause?: unknown): BerthError {
  return new BerthError('InvalidArgument', `Cannot use log "${path}": it is no plain file, or not in a folder`, {
    field: 'logPath',
    cause,
  });
}
