import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BerthError } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';
import { runConfined } from './confine.ts';
import { WHITEOUT } from './name-list.ts';

export interface WhiteoutWork {
  readonly layer: string;
  /** Paths below the layer, each with a zero byte after it. They are bytes, and need not be UTF-8. */
  readonly paths: Uint8Array;
}

export interface WhiteoutResult {
  /** There is an opaque marker at the top of the layer. Overlay heeds it below the top only. */
  readonly hidesLower: boolean;
}

const MOST_PATH_BYTES = 64 << 20;

/** `find` does not follow links, so every folder in what it prints is a real one. */
const FIND = ['find', '/layer', '-mindepth', '1', '-name', `${WHITEOUT}*`, '-printf', '%P\\0'];

/**
 * Turns the whiteouts of an unpacked layer into what overlay knows: devices 0:0, and an attribute for opaque folders.
 * Nothing of the archive runs or changes the layer any more.
 * @throws BerthError ResourceExhausted; Cancelled
 */
export async function convertWhiteouts(
  children: Children,
  { layer, scratch }: { readonly layer: string; readonly scratch: string },
  signal: AbortSignal,
): Promise<WhiteoutResult> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const { code, stderr } = await runConfined(children, {
    rootFolder: scratch,
    layer,
    command: FIND,
    signal,
    onOutput: (chunk) => {
      bytes += chunk.length;
      if (bytes > MOST_PATH_BYTES) throw new BerthError('ResourceExhausted', 'Cannot unpack layer: too many whiteouts');
      chunks.push(chunk);
    },
  });
  if (code !== 0) throw new BerthError('Internal', `Cannot unpack layer: its whiteouts cannot be found: ${stderr}`);
  return runWorker({ layer, paths: Buffer.concat(chunks) });
}

/** Making a file may wait for the disk, so it is done in a thread. */
async function runWorker(work: WhiteoutWork): Promise<WhiteoutResult> {
  const worker = new Worker(new URL('./whiteouts.worker.ts', import.meta.url), { workerData: work });
  const [result] = (await once(worker, 'message')) as [WhiteoutResult];
  return result;
}
