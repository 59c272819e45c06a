import { accessSync, constants } from 'node:fs';
import { BerthError } from '../base/errors.ts';

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The absolute path of a program: a monitor starts its runtime without looking through PATH.
 * @param others folders that are looked through after those of PATH
 * @throws BerthError Unavailable when there is none, or it may not be run
 */
export function findProgram(name: string, others: readonly string[] = []): string {
  const folders = [...FOLDERS, ...others];
  const candidates = name.includes('/') ? [name] : folders.map((folder) => `${folder}/${name}`);
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  const where = name.includes('/') ? 'there is no such program' : `it is in none of ${folders.join(', ')}`;
  throw new BerthError(
    'Unavailable',
    `Cannot find "${name}": ${where}: install it, or set its path in the configuration`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
