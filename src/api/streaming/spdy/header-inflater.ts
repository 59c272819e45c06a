import { inflateRawSync, constants } from 'node:zlib';
import { DICTIONARY, DICTIONARY_ID } from './dictionary.ts';
import { SpdyError } from './spdy-error.ts';

/** As far back as deflate can point. */
const WINDOW_BYTES = 32 << 10;
/** A block of this protocol has some 100 bytes. */
const LONGEST_BLOCK_BYTES = 64 << 10;
const ZLIB_HEADER_BYTES = 6;
/** The empty stored block with which a sync flush ends. */
const FLUSH_MARK = Buffer.from([0, 0, 0xff, 0xff]);

/**
 * Unpacks the header blocks of one direction. All of them are one zlib stream that is flushed behind each block, so a
 * block starts at a new deflate block and may point back into what was said before. Each is therefore unpacked by
 * itself, with the last 32 KiB as its dictionary: nothing to wait for, nothing to close, and a limit for each block.
 * @see SPDY Protocol, draft 3, 2.6.10.1 Compression; RFC 1950; RFC 1951
 */
export class HeaderInflater {
  #window = DICTIONARY;
  #isFirst = true;

  /** @throws SpdyError when it is no such block, or unpacks to more than 64 KiB */
  inflate(block: Buffer): Buffer {
    const packed = this.#isFirst ? withoutZlibHeader(block) : block;
    this.#isFirst = false;
    if (!packed.subarray(-FLUSH_MARK.length).equals(FLUSH_MARK)) throw new SpdyError('a header block without a flush');
    const unpacked = inflateBlock(packed, this.#window);
    this.#window = Buffer.concat([this.#window, unpacked]).subarray(-WINDOW_BYTES);
    return unpacked;
  }
}

function inflateBlock(packed: Buffer, dictionary: Buffer): Buffer {
  try {
    return inflateRawSync(packed, {
      dictionary,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: LONGEST_BLOCK_BYTES,
    });
  } catch (error) {
    throw new SpdyError('a header block that cannot be unpacked', { cause: error });
  }
}

function withoutZlibHeader(block: Buffer): Buffer {
  if (block.length < ZLIB_HEADER_BYTES) throw new SpdyError('a header block without a zlib header');
  const [method = 0, flags = 0] = block;
  const isZlib = (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0;
  const hasDictionary = (flags & 0x20) !== 0 && block.readUInt32BE(2) === DICTIONARY_ID;
  if (!isZlib || !hasDictionary) throw new SpdyError('a header block without the dictionary of SPDY/3');
  return block.subarray(ZLIB_HEADER_BYTES);
}
