import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { BerthError } from '../base/errors.ts';
import { abortable } from './abortable.ts';
import { ArchiveParts, isArchiveOfImages } from './archive-parts.ts';
import type { Budget } from './budget.ts';
import { decompress } from './compression.ts';
import type { Compression } from './compression.ts';
import { RawCopy } from './raw-copy.ts';
import type { StagedFile, Staging } from './staging.ts';
import { readTar } from './tar-reader.ts';
import type { TarEntry } from './tar-reader.ts';

/** What came: an archive of images in its parts, or the files of a root as the one blob that they came as. */
export type Received = { readonly kind: 'parts'; readonly parts: ArchiveParts } | ReceivedRoot;

export interface ReceivedRoot {
  readonly kind: 'root';
  readonly blob: StagedFile;
  readonly compression: Compression;
  /** Of the uncompressed tar. */
  readonly diffId: string;
}

export interface ReceiveOptions {
  readonly staging: Staging;
  readonly budget: Budget;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Files that only archives of images have. They are the ones that come first, and the long ones. */
const PART_NAME = /^(oci-layout|blobs\/\w+\/[0-9a-f]{32,}|(sha256:)?[0-9a-f]{64}(\.\w+)*(\/.*)?)$/;
/** Files that a root may have as well. */
const DOCUMENT_NAME = /^(oci-layout|index\.json|manifest\.json)$/;

/**
 * Takes an archive in. The blobs of an archive of images become files of their own while they come, so that they can be
 * moved into the store; the files of a root stay one tar.
 * @throws BerthError InvalidArgument when it is no tar, is empty, cut off or damaged; ResourceExhausted over the budget;
 *   Cancelled
 */
export async function receive(source: AsyncIterable<Uint8Array>, options: ReceiveOptions): Promise<Received> {
  const { staging, budget } = options;
  await using raw = new RawCopy(staging);
  const { compression, content } = await decompress(raw.through(arriving(source, options)), 'archive');
  const parts = new ArchiveParts();
  const hash = createHash('sha256');
  let kind: Received['kind'] | undefined;
  async function* digested(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of content) {
      budget.spendBytes(chunk.length);
      if (kind !== 'parts') hash.update(chunk);
      yield chunk;
    }
  }

  for await (const entry of readTar(digested())) {
    budget.spendEntries(1);
    if (kind === undefined && entry.kind !== 'folder') {
      kind = PART_NAME.test(entry.name) ? 'parts' : 'root';
      if (kind === 'root') await raw.keep();
      else raw.drop();
    }
    if (kind === 'parts' || DOCUMENT_NAME.test(entry.name)) await takePart(entry, parts, staging);
  }
  const blob = await raw.finish();
  if (kind === undefined) throw new BerthError('InvalidArgument', 'Cannot read archive: there are no files in it');
  if (kind === 'parts' || blob === undefined) return { kind: 'parts', parts };
  // An archive of images in an unusual order is known by its documents only, when the rest has gone by.
  if (await isArchiveOfImages(parts)) return { kind: 'parts', parts: await takeApart(blob, options) };
  return { kind, blob, compression, diffId: `sha256:${hash.digest('hex')}` };
}

async function* arriving(
  source: AsyncIterable<Uint8Array>,
  { signal, onBytes }: ReceiveOptions,
): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  for await (const chunk of abortable(source, signal)) {
    bytes += chunk.length;
    onBytes(bytes);
    yield chunk;
  }
  if (bytes === 0) throw new BerthError('InvalidArgument', 'Cannot read archive: it is empty');
}

async function takeApart(archive: StagedFile, { staging, signal }: ReceiveOptions): Promise<ArchiveParts> {
  const parts = new ArchiveParts();
  const { content } = await decompress(abortable(createReadStream(archive.path), signal), 'archive');
  for await (const entry of readTar(content)) await takePart(entry, parts, staging);
  return parts;
}

async function takePart(entry: TarEntry, parts: ArchiveParts, staging: Staging): Promise<void> {
  if (entry.kind === 'symlink' || entry.kind === 'hardlink') parts.addLink(entry.name, entry.kind, entry.link);
  if (entry.kind !== 'file') return;
  await using writer = await staging.create();
  for await (const chunk of entry.content) await writer.write(chunk);
  parts.add(entry.name, writer.finish());
}
