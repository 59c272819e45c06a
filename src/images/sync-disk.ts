import { BerthError } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';

const SYNC_WITHIN_MS = 10 * 60_000;

/**
 * Brings everything on the paths' file systems to the disk, in a process of its own: it may take as long as the disk does.
 * tar flushes nothing, so without this a power cut could leave a registered image whose files are empty.
 * @throws BerthError ResourceExhausted; Internal; DeadlineExceeded; Cancelled
 */
export async function syncDisk(children: Children, paths: readonly string[], signal: AbortSignal): Promise<void> {
  const options = { deadlineMs: SYNC_WITHIN_MS, signal };
  const { code, stderr } = await children.run('sync', ['--file-system', '--', ...paths], options);
  if (code === 0) return;
  const isFull = /No space left|quota exceeded/.test(stderr);
  throw new BerthError(isFull ? 'ResourceExhausted' : 'Internal', `Cannot write to the disk: ${stderr.trim()}`);
}
