/**
 * The frames of SPDY/3.1, all integers big endian:
 *
 *     data      uint32 stream id, uint8 flags, uint24 length, data
 *     control   uint16 0x8003, uint16 type, uint8 flags, uint24 length, body
 *
 * @see SPDY Protocol, draft 3.1, 2.2 Framing
 */
export const FRAME_HEADER_BYTES = 8;
export const CONTROL_BIT = 0x8000_0000;
export const VERSION = 3;

export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;

export const TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Why a stream is given up. */
export const RESET = { protocolError: 1, refusedStream: 3, cancel: 5, streamAlreadyClosed: 9 } as const;
export type ResetStatus = (typeof RESET)[keyof typeof RESET];

/** Why a connection is given up. */
export const GO_AWAY = { ok: 0, protocolError: 1, internalError: 2 } as const;
export type GoAwayStatus = (typeof GO_AWAY)[keyof typeof GO_AWAY];

export function dataHeader(streamId: number, flags: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt32BE(((flags << 24) | length) >>> 0, 4);
  return header;
}

export function synReply(streamId: number, headerBlock: Buffer): Buffer {
  const frame = controlFrame(TYPE.synReply, 4 + headerBlock.length);
  frame.writeUInt32BE(streamId, FRAME_HEADER_BYTES);
  headerBlock.copy(frame, FRAME_HEADER_BYTES + 4);
  return frame;
}

export function rstStream(streamId: number, status: ResetStatus): Buffer {
  return twoWords(TYPE.rstStream, streamId, status);
}

export function goAway(lastGoodStreamId: number, status: GoAwayStatus): Buffer {
  return twoWords(TYPE.goAway, lastGoodStreamId, status);
}

/** @param id an even one is a server's question; an answer has the id of its question */
export function ping(id: number): Buffer {
  const frame = controlFrame(TYPE.ping, 4);
  frame.writeUInt32BE(id, FRAME_HEADER_BYTES);
  return frame;
}

function twoWords(type: number, first: number, second: number): Buffer {
  const frame = controlFrame(type, 8);
  frame.writeUInt32BE(first, FRAME_HEADER_BYTES);
  frame.writeUInt32BE(second, FRAME_HEADER_BYTES + 4);
  return frame;
}

function controlFrame(type: number, bodyLength: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bodyLength);
  frame.writeUInt32BE((CONTROL_BIT | (VERSION << 16) | type) >>> 0, 0);
  frame.writeUInt32BE(bodyLength, 4); // no flags
  return frame;
}
