import { BerthError } from '../base/errors.ts';
import { ByteReader } from './byte-reader.ts';

export interface TarEntry {
  /** Without a `/` or `./` before it or a `/` after it. Nothing else is made sure of. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'symlink' | 'hardlink' | 'other';
  readonly link: string;
  /** To be read before the next entry is asked for; what is left of it then is skipped. */
  readonly content: AsyncIterable<Uint8Array>;
}

interface Header {
  readonly type: string;
  readonly name: string;
  readonly link: string;
  readonly size: number;
  readonly isSparseContinued: boolean;
}

type Overrides = Readonly<Record<string, string>>;

const BLOCK_BYTES = 512;
/** The longest name or set of attributes that is read. */
const LARGEST_EXTENSION_BYTES = 1 << 20;

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'folder',
};

/**
 * Walks through a tar: ustar, pax and GNU's long names. It is for finding the parts of an archive of images; the files
 * of a root are left to GNU tar, so the rarer kinds are only stepped over. The source is read to its end.
 * @throws BerthError InvalidArgument when it is no tar, or is cut off
 * @see pax(1), ustar Interchange Format; GNU tar manual, Basic Tar Format
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, void> {
  await using bytes = new ByteReader(source);
  let overrides: Overrides = {};
  for (let header = await readHeader(bytes); header !== undefined; header = await readHeader(bytes)) {
    const { type, size } = header;
    if (type === 'x' || type === 'L' || type === 'K') {
      overrides = { ...overrides, ...readExtension(type, await readWhole(bytes, size)) };
      continue;
    }
    if (type === 'g') {
      await bytes.skip(padded(size));
      continue;
    }
    if (type === 'S') await skipSparseMap(bytes, header);
    const storedSize = type === '1' ? 0 : sizeOf(overrides, size); // a hard link has no content, whatever it says
    const content = bytes.limited(storedSize);
    const name = overrides['path'] ?? header.name;
    yield {
      name: tidyName(name),
      kind: name.endsWith('/') ? 'folder' : (KINDS[type] ?? 'other'),
      link: overrides['linkpath'] ?? header.link,
      content,
    };
    await bytes.skip(content.left + padded(storedSize) - storedSize);
    overrides = {};
  }
  await bytes.drain();
}

/** Names are compared, never opened. */
export function tidyName(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** Undefined at the end: two empty blocks, or no more blocks. */
async function readHeader(bytes: ByteReader): Promise<Header | undefined> {
  let empty = 0;
  for (;;) {
    const block = await bytes.take(BLOCK_BYTES);
    if (block === undefined) return undefined;
    if (block.some((byte) => byte !== 0)) return parseHeader(block);
    empty += 1;
    if (empty === 2) return undefined;
  }
}

function parseHeader(block: Buffer): Header {
  checkSum(block);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  return {
    type: block.toString('latin1', 156, 157),
    name: prefix === '' ? name : `${prefix}/${name}`,
    link: readText(block, 157, 100),
    size: readNumber(block, 124, 12),
    isSparseContinued: block[482] === 1,
  };
}

/** The sum of the bytes, with the field of the sum itself as spaces. Some old programs took the bytes as signed. */
function checkSum(block: Buffer): void {
  let sum = 0;
  let negative = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    sum += byte;
    if (byte > 127) negative += 256;
  }
  const told = readNumber(block, 148, 8);
  if (told !== sum && told !== sum - negative) throw unreadable('it is no tar archive');
}

function readText(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Octal digits, or, with the top bit set, GNU's big-endian binary. */
function readNumber(block: Buffer, offset: number, length: number): number {
  const isBinary = ((block[offset] ?? 0) & 0x80) !== 0;
  const text = readText(block, offset, length).trim();
  const value = isBinary
    ? Number(BigInt(`0x${block.toString('hex', offset + 1, offset + length)}`))
    : Number.parseInt(text === '' ? '0' : text, 8);
  if (!Number.isSafeInteger(value) || value < 0) throw unreadable('it is no tar archive, or a damaged one');
  return value;
}

async function readWhole(bytes: ByteReader, size: number): Promise<Buffer> {
  if (size > LARGEST_EXTENSION_BYTES) throw unreadable(`a header in it has ${size} bytes`);
  const block = await bytes.take(padded(size));
  if (block === undefined) throw unreadable('it is cut off');
  return block.subarray(0, size);
}

/** What a header before the entry's own says about it. */
function readExtension(type: 'x' | 'L' | 'K', content: Buffer): Overrides {
  if (type === 'L') return { path: readText(content, 0, content.length) };
  if (type === 'K') return { linkpath: readText(content, 0, content.length) };
  const records: Record<string, string> = {};
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(' ', at);
    const length = Number(content.toString('latin1', at, space));
    if (space < 0 || !(length > space - at)) throw unreadable('an extended header in it is damaged');
    const record = content.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    if (key === 'path' || key === 'linkpath' || key === 'size') records[key] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

function sizeOf(overrides: Overrides, size: number): number {
  const told = Number(overrides['size'] ?? size);
  if (!Number.isSafeInteger(told) || told < 0) throw unreadable('a size in it is no number');
  return told;
}

/** Old GNU sparse files may have more blocks of header, which their size does not count. */
async function skipSparseMap(bytes: ByteReader, header: Header): Promise<void> {
  for (let goesOn = header.isSparseContinued; goesOn; ) {
    const block = await bytes.take(BLOCK_BYTES);
    goesOn = block?.[504] === 1;
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

function unreadable(fact: string): BerthError {
  return new BerthError('InvalidArgument', `Cannot read archive: ${fact}`);
}
