import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLIN, close, poll, read } from './abi.ts';
import type { Framing, StreamNotice, StreamRequest } from './stream-thread.ts';
import { AGAIN, OVER, readNow, receiveNow, sendNow, writeNow } from './transfer.ts';
import { endSending } from './unix-sockets.ts';

/** The thread that moves bytes between descriptors and the event loop. */
const port = parentPort;
if (port === null) throw new Error('Cannot move bytes: this file runs as a worker thread only');
const wakeFd: number = workerData.wakeFd;

interface Stream {
  readonly id: number;
  readonly fd: number;
  readonly framing: Framing;
  /** Bytes that may be read before more are granted. */
  credit: number;
  hasReadAll: boolean;
  readonly writes: Uint8Array[];
  isRefused: boolean;
  /** What follows the last write. */
  afterwards: 'nothing' | 'end-writing' | 'close';
}

const POLLFD_SIZE = 8;
const POLLOUT = 4;
/** A packet that a reader has no room for is cut off, and monitors have none for more than 32 KiB. */
const LARGEST_PACKET_BYTES = 8_192;
const LARGEST_READ_BYTES = 64 << 10;
/** From one descriptor at a time, so that none waits long for another. */
const BATCH_BYTES = 256 << 10;

const streams = new Map<number, Stream>();
const wakeCount = Buffer.alloc(8);
/** One byte before what is read is room for a packet's channel. */
const batch = Buffer.alloc(1 + BATCH_BYTES + LARGEST_READ_BYTES);

function post(notice: StreamNotice, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(notice, transfer);
}

function takeRequests(): boolean {
  for (let next = receiveMessageOnPort(port as never); next !== undefined; next = receiveMessageOnPort(port as never)) {
    const request = next.message as StreamRequest;
    if (request.kind === 'end') return false;
    if (request.kind === 'open') {
      const { id, fd, framing, credit } = request;
      streams.set(id, {
        id,
        fd,
        framing,
        credit,
        hasReadAll: false,
        writes: [],
        isRefused: false,
        afterwards: 'nothing',
      });
      continue;
    }
    const stream = streams.get(request.id);
    if (stream !== undefined) serve(stream, request);
  }
  return true;
}

function serve(stream: Stream, request: Exclude<StreamRequest, { kind: 'open' | 'end' }>): void {
  switch (request.kind) {
    case 'grant':
      stream.credit += request.bytes;
      return;
    case 'write':
      if (stream.isRefused) return;
      stream.writes.push(request.data);
      return flush(stream);
    case 'end-writing':
      stream.afterwards = 'end-writing';
      return flush(stream);
    case 'close':
      if (!request.isGentle) return forget(stream);
      stream.credit = 0; // nobody hears of it any more
      stream.hasReadAll = true;
      stream.afterwards = 'close';
      return flush(stream);
  }
}

/** Writes what there is room for. */
function flush(stream: Stream): void {
  for (let data = stream.writes[0]; data !== undefined; data = stream.writes[0]) {
    const count =
      stream.framing === 'packets'
        ? sendNow(stream.fd, data.subarray(0, LARGEST_PACKET_BYTES))
        : writeNow(stream.fd, data);
    if (count === AGAIN) return;
    if (count === OVER) {
      stream.isRefused = true;
      stream.writes.length = 0;
      post({ kind: 'refused', id: stream.id });
    } else if (count < data.length) stream.writes[0] = data.subarray(count);
    else {
      stream.writes.shift();
      post({ kind: 'written', id: stream.id });
    }
  }
  if (stream.afterwards === 'close') forget(stream);
  else if (stream.afterwards === 'end-writing') {
    stream.afterwards = 'nothing';
    endSending(stream.fd);
  }
}

function forget(stream: Stream): void {
  streams.delete(stream.id);
  close(stream.fd);
}

/** Reads what is there, up to a batch of it. */
function take(stream: Stream): void {
  const parts: number[] = [];
  let end = 1;
  let isOver = false;
  while (stream.credit > 0 && end <= BATCH_BYTES) {
    const [count, channel] =
      stream.framing === 'packets' ? receivePacket(stream.fd, end) : [readBytes(stream.fd, end), 0];
    if (count === AGAIN) break;
    isOver = count === OVER;
    if (isOver) break;
    stream.credit -= count;
    end += count;
    addPart(parts, channel, count);
  }
  if (end > 1) {
    const data = Uint8Array.from(batch.subarray(1, end));
    post({ kind: 'data', id: stream.id, parts, data }, [data.buffer]);
  }
  if (!isOver) return;
  stream.hasReadAll = true;
  post({ kind: 'ended', id: stream.id });
}

function readBytes(fd: number, at: number): number {
  const count = readNow(fd, batch.subarray(at, at + LARGEST_READ_BYTES));
  return count === 0 ? OVER : count;
}

/** Its channel goes where the last byte of the packet before is, which is put back. */
function receivePacket(fd: number, at: number): [count: number, channel: number] {
  const before = batch[at - 1] ?? 0;
  const count = receiveNow(fd, batch.subarray(at - 1, at + LARGEST_READ_BYTES));
  const channel = batch[at - 1] ?? 0;
  batch[at - 1] = before;
  if (count === 0) return [OVER, channel];
  return [count < 0 ? count : count - 1, channel];
}

function addPart(parts: number[], channel: number, count: number): void {
  const last = parts.length - 2;
  if (last >= 0 && parts[last] === channel) parts[last + 1] = (parts[last + 1] ?? 0) + count;
  else parts.push(channel, count);
}

function eventsOf({ credit, hasReadAll, writes }: Stream): number {
  return (credit > 0 && !hasReadAll ? POLLIN : 0) | (writes.length > 0 ? POLLOUT : 0);
}

while (takeRequests()) {
  // One that is waited for in no way is left out: the kernel would tell of a hang-up over and over again.
  const waiting = streams
    .values()
    .filter((stream) => eventsOf(stream) !== 0)
    .toArray();
  const set = Buffer.alloc((waiting.length + 1) * POLLFD_SIZE);
  set.writeInt32LE(wakeFd, 0);
  set.writeInt16LE(POLLIN, 4);
  for (const [index, stream] of waiting.entries()) {
    set.writeInt32LE(stream.fd, (index + 1) * POLLFD_SIZE);
    set.writeInt16LE(eventsOf(stream), (index + 1) * POLLFD_SIZE + 4);
  }
  if (poll(set, waiting.length + 1, -1) === 0) continue;
  if (set.readInt16LE(6) !== 0) read(wakeFd, wakeCount);
  for (const [index, stream] of waiting.entries()) {
    const events = set.readInt16LE((index + 1) * POLLFD_SIZE + 6);
    if (events === 0) continue;
    if (stream.writes.length > 0) flush(stream);
    if (streams.has(stream.id) && (eventsOf(stream) & POLLIN) !== 0) take(stream);
  }
}
for (const stream of streams.values()) if (stream.afterwards === 'close') forget(stream); // the others are their owners'
port.close();
