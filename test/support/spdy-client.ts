import { EventEmitter, once } from 'node:events';
import type { Duplex } from 'node:stream';
import zlib from 'node:zlib';
import { Received } from './received.ts';

/** The end of the dictionary of SPDY/3 is text; its beginning is made of the words below, each behind its length. */
const WORDS =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin';
const TAIL =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';
export const SPDY_DICTIONARY = Buffer.concat([
  ...WORDS.split(' ').map((word) => lengthAndText(word.replace('_', ' '))),
  Buffer.from(TAIL),
]);

export function u32(...values: readonly number[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    }),
  );
}

function lengthAndText(text: string): Buffer {
  return Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
}

export function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  return Buffer.concat([u32((0x8003_0000 | type) >>> 0, ((flags << 24) | body.length) >>> 0), body]);
}

export function dataFrame(id: number, flags: number, data: Buffer): Buffer {
  return Buffer.concat([u32(id, ((flags << 24) | data.length) >>> 0), data]);
}

/** A header block before its compression. */
export function plainBlock(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers);
  return Buffer.concat([u32(entries.length), ...entries.flat().map(lengthAndText)]);
}

/** One zlib stream with a flush behind each block, as zlib itself makes it. */
export class BlockDeflater {
  readonly #deflate = zlib.createDeflate({ dictionary: SPDY_DICTIONARY });
  readonly #out: Buffer[] = [];

  constructor() {
    this.#deflate.on('data', (data: Buffer) => this.#out.push(data));
  }

  async deflate(block: Buffer): Promise<Buffer> {
    this.#deflate.write(block);
    await new Promise<void>((resolve) => this.#deflate.flush(zlib.constants.Z_SYNC_FLUSH, () => resolve()));
    return Buffer.concat(this.#out.splice(0));
  }
}

export interface ClientStream {
  readonly id: number;
  readonly received: Received;
  /** The status of a reset, when the server sends one. */
  resetStatus: number | undefined;
}

interface Opening {
  readonly stream: ClientStream;
  readonly replied: PromiseWithResolvers<ClientStream>;
}

/** A SPDY/3.1 client for tests, written from the specification; it knows no windows, as Go's does not. */
export class SpdyClient {
  readonly transport: Duplex;
  readonly closed: Promise<unknown>;
  goAway: { readonly lastId: number; readonly status: number } | undefined;
  readonly pongs: number[] = [];
  readonly pingsOfServer: number[] = [];
  readonly #streams = new Map<number, Opening>();
  readonly #deflater = new BlockDeflater();
  readonly #inflate = zlib.createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: zlib.constants.Z_SYNC_FLUSH });
  readonly #events = new EventEmitter();
  #nextId = 1;
  #nextPingId = 1;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(transport: Duplex, rest: Buffer) {
    this.transport = transport;
    this.closed = once(transport, 'close').catch(() => undefined);
    transport.on('error', () => undefined);
    this.#inflate.on('error', (error) => transport.destroy(error)).resume();
    this.#take(rest);
    transport.on('data', (chunk: Buffer) => this.#take(chunk));
    void this.closed.then(() => this.#onClose());
    transport.resume();
  }

  /** Resolves when the server has replied; rejects when it refuses the stream. */
  async open(headers: Readonly<Record<string, string>>, flags = 0): Promise<ClientStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream: ClientStream = { id, received: new Received(), resetStatus: undefined };
    const replied = Promise.withResolvers<ClientStream>();
    this.#streams.set(id, { stream, replied });
    const block = await this.#deflater.deflate(plainBlock(headers));
    this.send(controlFrame(1, flags, Buffer.concat([u32(id, 0), Buffer.from([0, 0]), block])));
    return await replied.promise;
  }

  send(frame: Buffer): boolean {
    return !this.transport.destroyed && this.transport.write(frame);
  }

  /** Resolves when there is room for more. */
  async write({ id }: ClientStream, data: Buffer | string): Promise<void> {
    if (!this.send(dataFrame(id, 0, Buffer.from(data))))
      await Promise.race([once(this.transport, 'drain'), this.closed]);
  }

  end({ id }: ClientStream): void {
    this.send(dataFrame(id, 1, Buffer.alloc(0)));
  }

  reset({ id }: ClientStream, status = 5): void {
    this.send(controlFrame(3, 0, u32(id, status)));
  }

  ping(id: number): void {
    this.send(controlFrame(6, 0, u32(id)));
  }

  /** Resolves when the server has answered a ping, and so has read all that was sent before it. */
  async roundTrip(): Promise<void> {
    const id = this.#nextPingId;
    this.#nextPingId += 2;
    this.ping(id);
    while (!this.pongs.includes(id)) await once(this.#events, 'pong');
  }

  #take(chunk: Buffer): void {
    let bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (bytes.length >= 8) {
      const length = bytes.readUIntBE(5, 3);
      if (bytes.length < 8 + length) break;
      this.#onFrame(bytes.readUInt32BE(0), bytes.readUInt8(4), bytes.subarray(8, 8 + length));
      bytes = bytes.subarray(8 + length);
    }
    this.#bytes = bytes;
  }

  #onFrame(first: number, flags: number, body: Buffer): void {
    if (first < 0x8000_0000) return this.#onData(first, flags, body);
    if (first >>> 16 !== 0x8003) throw new Error(`a frame of version ${(first >>> 16) & 0x7fff}`);
    switch (first & 0xffff) {
      case 2:
        this.#inflate.write(body.subarray(4)); // fails when it is not in one stream with those before
        this.#streams.get(body.readUInt32BE(0))?.replied.resolve(this.#streamOf(body.readUInt32BE(0)));
        return undefined;
      case 3:
        return this.#onReset(body.readUInt32BE(0), body.readUInt32BE(4));
      case 6:
        (body.readUInt32BE(0) % 2 === 1 ? this.pongs : this.pingsOfServer).push(body.readUInt32BE(0));
        this.#events.emit('pong');
        return undefined;
      case 7:
        this.goAway = { lastId: body.readUInt32BE(0), status: body.readUInt32BE(4) };
        return undefined;
      default:
        throw new Error(`a frame of type ${first & 0xffff}`);
    }
  }

  #onData(id: number, flags: number, body: Buffer): void {
    const stream = this.#streamOf(id);
    if (body.length > 0) stream.received.add(body);
    if ((flags & 1) !== 0) stream.received.end();
  }

  #onReset(id: number, status: number): void {
    const opening = this.#streams.get(id);
    if (opening === undefined) return;
    opening.stream.resetStatus = status;
    opening.stream.received.end();
    opening.replied.reject(new Error(`reset with status ${status}`));
  }

  #onClose(): void {
    for (const { stream, replied } of this.#streams.values()) {
      replied.reject(new Error('closed'));
      replied.promise.catch(() => undefined);
      stream.received.end();
    }
  }

  #streamOf(id: number): ClientStream {
    const opening = this.#streams.get(id);
    if (opening === undefined) throw new Error(`a frame for stream ${id}, which nobody opened`);
    return opening.stream;
  }
}
