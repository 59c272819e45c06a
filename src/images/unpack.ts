import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { throwIfAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';
import type { Budget } from './budget.ts';
import { decompress } from './compression.ts';
import { runConfined } from './confine.ts';
import { NameList } from './name-list.ts';
import { convertWhiteouts } from './whiteouts.ts';

/** A layer as it is distributed: one tar, which may be compressed. */
export interface LayerSource {
  readonly path: string;
  /** What the digest of the uncompressed tar must be. */
  readonly diffId: string;
}

export interface UnpackOptions {
  readonly budget: Budget;
  readonly signal: AbortSignal;
  /** Bytes so far: of the tar, and of the file that it is in. */
  readonly onBytes: (bytes: number, readBytes: number) => void;
}

export interface UnpackFolders {
  /** Where the files go: an empty folder that nobody but root can reach. */
  readonly layer: string;
  /** Another empty one, for the confined process's root. */
  readonly scratch: string;
}

const READ_BYTES = 256 << 10;

/**
 * The attributes of overlay itself would let a layer reach into others. Names come one to a line whatever is in them.
 * @see kernel Documentation/filesystems/overlayfs.rst, Permission model
 */
const TAR = [
  'tar',
  '--extract',
  '--file=-',
  '--directory=/layer',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--xattrs-exclude=trusted.*',
  '--xattrs-exclude=user.overlay.*',
  '--delay-directory-restore',
  '--warning=no-timestamp',
  '--warning=no-unknown-keyword',
  '--verbose',
  '--quoting-style=escape',
];

/**
 * Unpacks a layer with GNU tar, confined to the layer's folder, and brings its whiteouts into overlay's form.
 * @returns whether the layer hides everything below it
 * @throws BerthError InvalidArgument when the layer is damaged, or is not the one that was announced;
 *   ResourceExhausted over the budget or when the disk is full; Cancelled
 */
export async function unpackLayer(
  children: Children,
  source: LayerSource,
  { layer, scratch }: UnpackFolders,
  { budget, signal, onBytes }: UnpackOptions,
): Promise<{ readonly hidesLower: boolean }> {
  const names = new NameList(budget);
  let diffId = '';
  const { code, stderr } = await runConfined(children, {
    rootFolder: scratch,
    layer,
    command: TAR,
    signal,
    feed: async (input, over) => {
      const write = (chunk: Uint8Array): Promise<void> => writeTo(input, chunk);
      diffId = await digestLayer(source, { budget, onBytes, signal: over }, write);
    },
    onOutput: (chunk) => names.add(chunk),
  });
  const what = `Cannot unpack layer ${source.diffId}`;
  if (code !== 0) throw new BerthError('InvalidArgument', `${what}: ${complaintOf(stderr)}`);
  if (diffId !== source.diffId) throw wrongDigest(source, diffId);
  if (!names.hasWhiteouts) return { hidesLower: false };
  return convertWhiteouts(children, { layer, scratch }, signal);
}

/**
 * Makes sure that a blob is the layer that it is said to be, when that layer is unpacked already.
 * @throws BerthError InvalidArgument; ResourceExhausted over the budget; Cancelled
 */
export async function verifyLayer(source: LayerSource, options: UnpackOptions): Promise<void> {
  const diffId = await digestLayer(source, options, () => Promise.resolve());
  if (diffId !== source.diffId) throw wrongDigest(source, diffId);
}

async function digestLayer(
  { path, diffId }: LayerSource,
  { budget, signal, onBytes }: UnpackOptions,
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  const { content } = await decompress(file, `layer ${diffId}`);
  for await (const chunk of content) {
    throwIfAborted(signal);
    bytes += chunk.length;
    budget.spendBytes(chunk.length);
    hash.update(chunk);
    await take(chunk);
    onBytes(bytes, file.bytesRead);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Resolves when it is taken. A program that has ended takes nothing more, and its exit code tells why. */
function writeTo(input: Writable, chunk: Uint8Array): Promise<void> {
  if (input.destroyed) return Promise.resolve();
  return new Promise((resolve) => void input.write(chunk, () => resolve()));
}

/** What tar says last is only that something went wrong. */
function complaintOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '' && !/Removing leading|Exiting with failure/.test(line));
  return lines.slice(0, 3).join('; ') || 'tar gave no reason';
}

function wrongDigest({ diffId }: LayerSource, found: string): BerthError {
  return new BerthError('InvalidArgument', `Cannot unpack layer ${diffId}: its content has digest ${found}`);
}
