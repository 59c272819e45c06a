import { BerthError } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';

const REMOVE_WITHIN_MS = 10 * 60_000;

/**
 * Removes folders with all that is in them. Containers and layers may have made trees of any depth and size, with which
 * `rm` deals without following a link or blocking anybody. What is not there is removed already.
 * @throws BerthError Internal; DeadlineExceeded
 */
export async function removeTrees(children: Children, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const command = ['-rf', '--one-file-system', '--', ...paths];
  const { code, stderr } = await children.run('rm', command, { deadlineMs: REMOVE_WITHIN_MS });
  if (code !== 0) throw new BerthError('Internal', `Cannot remove "${paths.join('", "')}": ${stderr.trim()}`);
}
