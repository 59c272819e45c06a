import { open } from 'node:fs/promises';
import { Readable, pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { BerthError } from '../base/errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** How the first six bytes of each begin, in hexadecimal. A zstd stream may begin with frames that hold no data. */
const MAGIC: readonly { readonly bytes: RegExp; readonly is: Compression | 'bzip2' | 'xz' }[] = [
  { bytes: /^1f8b/, is: 'gzip' },
  { bytes: /^(28b52ffd|5.2a4d18)/, is: 'zstd' },
  { bytes: /^425a683[1-9]3141/, is: 'bzip2' },
  { bytes: /^fd377a585a00/, is: 'xz' },
];
const LONGEST_MAGIC = 6;
const CHUNK_BYTES = 256 << 10;

/** The suffix of an OCI layer's media type. */
export const COMPRESSION_SUFFIX: Readonly<Record<Compression, string>> = { none: '', gzip: '+gzip', zstd: '+zstd' };

export interface Decompressed {
  readonly compression: Compression;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Tells a stream's compression by its first bytes, and takes it away. Reading the content fails with InvalidArgument
 * when it is damaged or cut off.
 * @param what is read, for messages
 * @throws BerthError Unsupported for bzip2 and xz
 */
export async function decompress(source: AsyncIterable<Uint8Array>, what: string): Promise<Decompressed> {
  const chunks = source[Symbol.asyncIterator]();
  const seen = await firstChunks(chunks, LONGEST_MAGIC);
  const whole = joined(seen, chunks);
  try {
    const compression = compressionOf(Buffer.concat(seen).subarray(0, LONGEST_MAGIC), what);
    if (compression === 'none') return { compression, content: whole };
    const options = { chunkSize: CHUNK_BYTES };
    const transform = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
    // What goes wrong is told to the reader of the last stream.
    const content = pipeline(Readable.from(whole, { highWaterMark: 1 }), transform, () => undefined);
    return { compression, content: explained(content, `Cannot read ${what}: its ${compression} stream is`) };
  } catch (error) {
    await chunks.return?.();
    throw error;
  }
}

function compressionOf(start: Buffer, what: string): Compression {
  const hex = start.toString('hex');
  const found = MAGIC.find(({ bytes }) => bytes.test(hex))?.is ?? 'none';
  if (found !== 'bzip2' && found !== 'xz') return found;
  throw new BerthError('Unsupported', `Cannot read ${what}: it is compressed with ${found}, must be gzip or zstd`);
}

async function firstChunks(chunks: AsyncIterator<Uint8Array>, bytes: number): Promise<Uint8Array[]> {
  const seen: Uint8Array[] = [];
  for (let length = 0; length < bytes; ) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    seen.push(value);
    length += value.length;
  }
  return seen;
}

/** The stream with what was read of it put back. No generator: it must pass on its end even when it was never begun. */
function joined(seen: readonly Uint8Array[], chunks: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  const waiting = [...seen];
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const value = waiting.shift();
        return value === undefined ? chunks.next() : { done: false, value };
      },
      return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
    }),
  };
}

async function* explained(content: AsyncIterable<Uint8Array>, complaint: string): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!/^(Z|ZSTD)_/.test(code)) throw error;
    const fact = code === 'Z_BUF_ERROR' ? 'cut off' : 'damaged';
    throw new BerthError('InvalidArgument', `${complaint} ${fact}`, { cause: error });
  }
}

/** @throws BerthError Unsupported for bzip2 and xz */
export async function compressionOfFile(path: string): Promise<Compression> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_MAGIC), 0, LONGEST_MAGIC, 0);
  return compressionOf(buffer.subarray(0, bytesRead), 'layer');
}
