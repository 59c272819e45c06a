import { CONTROL_BIT, FLAG_FIN, FRAME_HEADER_BYTES, VERSION } from './frames.ts';
import { SpdyError } from './spdy-error.ts';

export interface ControlFrame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export interface FrameHandler {
  onData(streamId: number, data: Buffer): void;
  onDataEnd(streamId: number): void;
  onControl(frame: ControlFrame): void;
}

/** Header blocks of this protocol are some 100 bytes long. The format would allow 16 MiB. */
const LONGEST_CONTROL_BYTES = 64 << 10;

type Part =
  | { readonly kind: 'header' }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number }
  | { readonly kind: 'data'; readonly streamId: number; readonly isLast: boolean };

/** Takes a byte stream apart. Data is handed on as it comes, so that no frame is ever in memory as a whole. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #part: Part = { kind: 'header' };
  /** Where a header or a control frame's body is put together. */
  #target: Buffer = this.#header;
  /** Bytes of the part that are still to come. */
  #missing = FRAME_HEADER_BYTES;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** @throws SpdyError when this is no SPDY/3; the reader is of no use afterwards */
  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const bytes = chunk.subarray(at, at + this.#missing);
      at += bytes.length;
      if (this.#part.kind === 'data') this.#handler.onData(this.#part.streamId, bytes);
      else bytes.copy(this.#target, this.#target.length - this.#missing);
      this.#missing -= bytes.length;
      if (this.#missing === 0) this.#endPart();
    }
  }

  #endPart(): void {
    const part = this.#part;
    switch (part.kind) {
      case 'header':
        return this.#beginFrame();
      case 'control':
        return this.#endControl(part.type, part.flags);
      case 'data':
        return this.#endData(part.streamId, part.isLast);
    }
  }

  #beginFrame(): void {
    const first = this.#header.readUInt32BE(0);
    const flags = this.#header.readUInt8(4);
    const length = this.#header.readUIntBE(5, 3);
    if (first < CONTROL_BIT) this.#beginData(first, (flags & FLAG_FIN) !== 0, length);
    else this.#beginControl((first >>> 16) & 0x7fff, first & 0xffff, flags, length);
  }

  #beginData(streamId: number, isLast: boolean, length: number): void {
    if (streamId === 0) throw new SpdyError('data for stream 0');
    this.#part = { kind: 'data', streamId, isLast };
    this.#missing = length;
    if (length === 0) this.#endPart();
  }

  #beginControl(version: number, type: number, flags: number, length: number): void {
    if (version !== VERSION) throw new SpdyError(`a frame of version ${version}`);
    if (length > LONGEST_CONTROL_BYTES) throw new SpdyError(`a control frame of ${length} bytes`);
    this.#part = { kind: 'control', type, flags };
    this.#target = Buffer.allocUnsafe(length);
    this.#missing = length;
    if (length === 0) this.#endPart();
  }

  #endControl(type: number, flags: number): void {
    const body = this.#target;
    this.#beginHeader();
    this.#handler.onControl({ type, flags, body });
  }

  #endData(streamId: number, isLast: boolean): void {
    this.#beginHeader();
    if (isLast) this.#handler.onDataEnd(streamId);
  }

  #beginHeader(): void {
    this.#part = { kind: 'header' };
    this.#target = this.#header;
    this.#missing = FRAME_HEADER_BYTES;
  }
}
