import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isMissing, messageOf } from '../../base/errors.ts';
import type { Finding } from './finding.ts';
import { error, ok } from './finding.ts';

export interface Program {
  /** A name in PATH, or a path. */
  readonly path: string;
  /** Debian's package that has it. */
  readonly inPackage: string;
  /** What its first line must have in it. */
  readonly mustSay?: string;
}

const DEADLINE_MS = 5_000;

/** What the daemon calls, whatever its configuration says. */
export const USUAL_PROGRAMS: readonly Program[] = [
  { path: 'tar', inPackage: 'tar', mustSay: 'GNU tar' },
  { path: 'unshare', inPackage: 'util-linux' },
  { path: 'setpriv', inPackage: 'util-linux' },
];

export function examinePrograms(programs: readonly Program[]): Promise<Finding[]> {
  return Promise.all(programs.map(examineProgram));
}

async function examineProgram({ path, inPackage, mustSay }: Program): Promise<Finding> {
  const install = `install it: apt-get install ${inPackage}`;
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: DEADLINE_MS });
    const version = stdout.split('\n')[0] ?? '';
    if (mustSay === undefined || version.includes(mustSay)) return ok(`${path} is there: ${version}`);
    return error(`${path} is not ${mustSay}: ${version}`, install);
  } catch (failure) {
    if (isMissing(failure)) return error(`${path} is not there`, install);
    return error(`${path} cannot be run: ${messageOf(failure).trim()}`, `see what "${path} --version" says`);
  }
}
