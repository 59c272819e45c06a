import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import zlib from 'node:zlib';
import { DICTIONARY, DICTIONARY_ID } from '../../src/api/streaming/spdy/dictionary.ts';
import { FrameReader } from '../../src/api/streaming/spdy/frame-reader.ts';
import { EmptyBlocks, parseHeaderBlock } from '../../src/api/streaming/spdy/header-block.ts';
import { HeaderInflater } from '../../src/api/streaming/spdy/header-inflater.ts';
import { SpdyError } from '../../src/api/streaming/spdy/spdy-error.ts';
import { BlockDeflater, controlFrame, dataFrame, plainBlock, SPDY_DICTIONARY, u32 } from '../support/spdy-client.ts';

/** Adler-32, as RFC 1950 has it. */
function adler32(bytes: Buffer): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}

async function deflated(headers: Readonly<Record<string, string>>): Promise<Buffer> {
  return await new BlockDeflater().deflate(plainBlock(headers));
}

suite('header blocks', () => {
  test('use the dictionary that every SPDY/3 has', () => {
    assert.equal(DICTIONARY.length, 1_423);
    assert.equal(adler32(DICTIONARY), 0xe3_c6_a7_c2);
    assert.equal(DICTIONARY_ID, 0xe3_c6_a7_c2);
    assert.deepEqual(DICTIONARY, SPDY_DICTIONARY);
  });

  test('of a long conversation are read as zlib packed them', async () => {
    const deflater = new BlockDeflater();
    const inflater = new HeaderInflater();

    const values = Array.from({ length: 28 }, () => randomBytes(500).toString('hex')); // 28 KiB until one comes again
    for (let i = 0; i < 1_000; i += 1) {
      const headers = { streamtype: i % 2 === 0 ? 'data' : 'error', port: String(i), value: values[i % 28] ?? '' };
      const block = await deflater.deflate(plainBlock(headers));
      assert.ok(i < 28 || block.length < 100, 'it does not point back into what was said');
      assert.deepEqual(Object.fromEntries(parseHeaderBlock(inflater.inflate(block))), headers);
    }
  });

  test('that are empty are one zlib stream to the other side', () => {
    const blocks = new EmptyBlocks();
    const packed = Buffer.concat([blocks.next(), blocks.next(), blocks.next()]);

    const options = { dictionary: SPDY_DICTIONARY, finishFlush: zlib.constants.Z_SYNC_FLUSH };
    assert.deepEqual(zlib.inflateSync(packed, options), Buffer.alloc(12));
  });

  test('of several values keep the first, names in lower case', () => {
    const block = plainBlock({ StreamType: 'error\0data' });

    assert.deepEqual([...parseHeaderBlock(block)], [['streamtype', 'error']]);
  });

  test('that unpack to more than 64 KiB are refused', async () => {
    const bomb = await new BlockDeflater().deflate(Buffer.alloc(10 << 20));
    assert.ok(bomb.length < 64 << 10);

    assert.throws(() => new HeaderInflater().inflate(bomb), SpdyError);
  });

  for (const [what, spoil] of [
    ['another dictionary', (block: Buffer) => Buffer.concat([block.subarray(0, 2), u32(1), block.subarray(6)])],
    ['no zlib header', (block: Buffer) => block.subarray(6)],
    ['no flush', (block: Buffer) => block.subarray(0, -1)],
    ['nothing in it', () => Buffer.alloc(0)],
    ['a broken code', (block: Buffer) => Buffer.concat([block.subarray(0, 6), Buffer.from([7]), block.subarray(7)])],
  ] as const) {
    test(`with ${what} are refused`, async () => {
      const block = spoil(await deflated({ streamtype: 'error' }));

      assert.throws(() => new HeaderInflater().inflate(block), SpdyError);
    });
  }

  for (const [what, block] of [
    ['more headers than there can be', u32(101)],
    ['a name that is longer than the block', u32(1, 0xffff_ffff)],
    ['no value', Buffer.concat([u32(1, 1), Buffer.from('a')])],
    ['a name twice', Buffer.concat([u32(2), ...[1, 2].flatMap(() => [u32(1), Buffer.from('a'), u32(0)])])],
    ['something behind it', Buffer.concat([plainBlock({ a: 'b' }), Buffer.alloc(1)])],
    ['no count', Buffer.alloc(3)],
  ] as const) {
    test(`with ${what} are refused`, () => {
      assert.throws(() => parseHeaderBlock(block), SpdyError);
    });
  }
});

/** What a reader tells of a byte stream that comes in chunks of this length. */
function readInChunks(bytes: Buffer, chunkBytes: number): string[] {
  const told: string[] = [];
  const data = new Map<number, string>();
  const reader = new FrameReader({
    onData: (id, piece) => data.set(id, (data.get(id) ?? '') + piece.toString()),
    onDataEnd: (id) => told.push(`end ${id}: ${data.get(id) ?? ''}`),
    onControl: ({ type, flags, body }) => told.push(`control ${type} ${flags} ${body.toString('hex')}`),
  });
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.read(bytes.subarray(at, at + chunkBytes));
  return told;
}

suite('frames', () => {
  test('are the same wherever the network cuts them', () => {
    const bytes = Buffer.concat([
      controlFrame(6, 0, u32(1)),
      dataFrame(1, 0, Buffer.from('some ')),
      dataFrame(3, 0, Buffer.from('other')),
      controlFrame(4, 0, Buffer.alloc(0)),
      dataFrame(1, 0, Buffer.alloc(0)),
      dataFrame(1, 1, Buffer.from('data')),
      dataFrame(3, 1, Buffer.alloc(0)),
      controlFrame(3, 1, u32(5, 5)),
    ]);

    const expected = [
      'control 6 0 00000001',
      'control 4 0 ',
      'end 1: some data',
      'end 3: other',
      'control 3 1 0000000500000005',
    ];
    for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes += 1) {
      assert.deepEqual(readInChunks(bytes, chunkBytes), expected, `in chunks of ${chunkBytes}`);
    }
  });

  test('of data are handed on before they are complete', () => {
    let bytes = 0;
    const ignore = (): void => undefined;
    const reader = new FrameReader({
      onData: (_, data) => (bytes += data.length),
      onDataEnd: ignore,
      onControl: ignore,
    });

    reader.read(u32(1, 0xff_ffff));
    for (let i = 0; i < 100; i += 1) reader.read(Buffer.alloc(1_000));

    assert.equal(bytes, 100_000);
  });

  for (const [what, bytes] of [
    ['of another version', u32(0x8002_0001, 10)],
    ['that are too long', u32(0x8003_0001, 0xff_ffff)],
    ['for stream 0', u32(0, 1)],
  ] as const) {
    test(`${what} are refused`, () => {
      assert.throws(() => readInChunks(bytes, 8), SpdyError);
    });
  }
});
