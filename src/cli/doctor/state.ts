import { statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, isMissing, messageOf } from '../../base/errors.ts';
import { formatSize } from '../../base/units.ts';
import type { Finding } from './finding.ts';
import { error, ok, warning } from './finding.ts';

const LITTLE_BYTES = 1 << 30;
const TOO_LITTLE_BYTES = 64 << 20;
const FEW_INODES = 10_000;
const OTHERS = 0o077;

/** The folder of images, snapshots, logs and the database. */
export function examineState(folder: string): Finding[] {
  try {
    const { mode, uid } = statSync(folder);
    return [examineOwner(folder, mode, uid), ...examineSpace(folder)];
  } catch (failure) {
    if (isMissing(failure)) return [ok(`State folder ${folder} will be made`), ...examineSpace(nearestFolder(folder))];
    if (errnoOf(failure) === 'EACCES') return [warning(`State folder ${folder} is closed to you`, 'look as root')];
    return [error(`State folder ${folder} cannot be looked at: ${messageOf(failure)}`, 'see to its file system')];
  }
}

function examineOwner(folder: string, mode: number, uid: number): Finding {
  const isPrivate = uid === 0 && (mode & OTHERS) === 0;
  if (isPrivate) return ok(`State folder ${folder} is root's alone`);
  return warning(`State folder ${folder} is open to others than root`, `chown root ${folder} && chmod 700 ${folder}`);
}

function examineSpace(folder: string): Finding[] {
  const { bavail, bsize, ffree, files } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const text = `${formatSize(freeBytes)} are free at ${folder}`;
  const advice = 'remove images and containers that nobody needs: berth images, berth ps -a';
  const space =
    freeBytes < TOO_LITTLE_BYTES
      ? error(`Only ${text}`, advice)
      : freeBytes < LITTLE_BYTES
        ? warning(`Only ${text}`, advice)
        : ok(text);
  const hasFewInodes = files > 0 && ffree < FEW_INODES; // some file systems do not count them
  return hasFewInodes ? [space, warning(`Only ${ffree} more files fit at ${folder}`, advice)] : [space];
}

/** The folder in which it will be made. */
function nearestFolder(path: string): string {
  const parent = dirname(path);
  return statSync(parent, { throwIfNoEntry: false }) === undefined ? nearestFolder(parent) : parent;
}
