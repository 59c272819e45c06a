import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { errnoOf, isMissing } from '../base/errors.ts';
import type { Pace } from '../base/pace.ts';

export interface OpenFiles {
  readonly descriptors: number;
  /** Undefined when there are too many descriptors for a look at each. */
  readonly sockets: number | undefined;
}

const MOST_LOOKED_AT = 20_000;
const LOOKS_AT_ONCE = 256;

/** What the processes hold open, each of them counted by itself. One that ends meanwhile is not counted. */
export async function countOpenFiles(pids: readonly number[], pace: Pace): Promise<OpenFiles> {
  let descriptors = 0;
  let sockets: number | undefined = 0;
  for (const pid of pids) {
    const names = namesIn(`/proc/${pid}/fd`);
    descriptors += names.length;
    if (descriptors > MOST_LOOKED_AT) sockets = undefined;
    for (let from = 0; sockets !== undefined && from < names.length; from += LOOKS_AT_ONCE) {
      await pace.breathe();
      const isSocket = (name: string): boolean => linkAt(`/proc/${pid}/fd/${name}`).startsWith('socket:');
      sockets += names.slice(from, from + LOOKS_AT_ONCE).filter(isSocket).length;
    }
    await pace.breathe();
  }
  return { descriptors, sockets };
}

/** How many descriptors the process may have; undefined when there is no limit, or the process has ended. */
export function readDescriptorLimit(pid: number): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(readOr(`/proc/${pid}/limits`))?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function namesIn(folder: string): string[] {
  return unlessOver(() => readdirSync(folder)) ?? [];
}

function linkAt(path: string): string {
  return unlessOver(() => readlinkSync(path)) ?? '';
}

function readOr(file: string): string {
  return unlessOver(() => readFileSync(file, 'utf8')) ?? '';
}

/** A process may end at any moment, and close its files before; and not every root may look at every process. */
function unlessOver<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EACCES') return undefined;
    throw error;
  }
}
