import { DICTIONARY_ID } from './dictionary.ts';
import { SpdyError } from './spdy-error.ts';

export type Headers = ReadonlyMap<string, string>;

const MOST_HEADERS = 100;

/**
 * Reads a header block that was unpacked: uint32 count, then for each header uint32 length, name, uint32 length, value.
 * Names are in lower case. Of several values, which a byte 0 separates, only the first is kept.
 * @throws SpdyError
 */
export function parseHeaderBlock(block: Buffer): Headers {
  const headers = new Map<string, string>();
  let at = 0;

  function number(): number {
    if (at + 4 > block.length) throw new SpdyError('a header block that is too short');
    const value = block.readUInt32BE(at);
    at += 4;
    return value;
  }

  function text(): string {
    const length = number();
    if (length > block.length - at) throw new SpdyError('a header that is longer than its block');
    at += length;
    return block.toString('utf8', at - length, at);
  }

  const count = number();
  if (count > MOST_HEADERS) throw new SpdyError(`a block of ${count} headers`);
  for (let i = 0; i < count; i += 1) {
    const name = text().toLowerCase();
    const [value = ''] = text().split('\0', 1);
    if (headers.has(name)) throw new SpdyError('a header that is there twice');
    headers.set(name, value);
  }
  if (at !== block.length) throw new SpdyError('a header block that is too long');
  return headers;
}

/** A deflate block without compression (RFC 1951, 3.2.4), and the empty one that ends a sync flush. */
const NO_HEADERS = Buffer.from([0, 4, 0, 0xfb, 0xff, /* count: */ 0, 0, 0, 0, /* flush: */ 0, 0, 0, 0xff, 0xff]);
/** Deflate, a window of 32 KiB, with a dictionary (RFC 1950). */
const ZLIB_HEADER = Buffer.from([0x78, 0xbb, ...uint32(DICTIONARY_ID)]);

/**
 * Packs the only header block that a server has to send in this protocol: an empty one. It never changes, so there is
 * no need for a compressor, which would hold 256 KiB for each connection.
 */
export class EmptyBlocks {
  #isFirst = true;

  next(): Buffer {
    const block = this.#isFirst ? Buffer.concat([ZLIB_HEADER, NO_HEADERS]) : NO_HEADERS;
    this.#isFirst = false;
    return block;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
