import type { Stats } from 'node:fs';
import { BerthError } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';

/** What files take of their file system. */
export interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}

const NOTHING: Usage = { bytes: 0, inodes: 0 };
const MEASURE_WITHIN_MS = 10 * 60_000;
/** Whatever the file system's own are. @see stat(2), st_blocks */
const BLOCK_BYTES = 512;

export function sumOf(usages: Iterable<Usage>): Usage {
  let { bytes, inodes } = NOTHING;
  for (const each of usages) {
    bytes += each.bytes;
    inodes += each.inodes;
  }
  return { bytes, inodes };
}

export function usageOfFile({ blocks }: Stats): Usage {
  return { bytes: blocks * BLOCK_BYTES, inodes: 1 };
}

/**
 * Measures a tree, once: a file with several names counts once, and what a sparse file does not hold does not count.
 * @throws BerthError Internal; DeadlineExceeded
 */
export async function measureTree(children: Children, path: string): Promise<Usage> {
  const [bytes, inodes] = await Promise.all([du(children, path, '--block-size=1'), du(children, path, '--inodes')]);
  return { bytes, inodes };
}

async function du(children: Children, path: string, unit: string): Promise<number> {
  const args = ['--summarize', '--one-file-system', unit, '--', path];
  const { code, stdout, stderr } = await children.run('du', args, { deadlineMs: MEASURE_WITHIN_MS });
  const count = Number(/^\d+/.exec(stdout)?.[0]);
  if (code === 0 && Number.isSafeInteger(count)) return count;
  throw new BerthError('Internal', `Cannot measure "${path}": ${stderr.trim()}`);
}
