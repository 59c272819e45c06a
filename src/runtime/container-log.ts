import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { LogLine, LogQuery } from '../engine/ports.ts';
import { openLogToRead } from './log-file.ts';

const CHUNK_BYTES = 64 << 10;
/** Followers are woken by the file's changes; this is for file systems and hosts where nobody wakes them. */
const LOOK_AGAIN_MS = 200;
const NEWLINE = 10;

/**
 * Reads a log in CRI format: `<time> <stdout|stderr> <F|P> <text>`, one record per line; P says that the line goes on.
 * Memory does not grow with the log. A follower keeps reading from where it is until `follow` resolves.
 * @see kubernetes design "CRI logging format"
 */
export async function* readLog(path: string, query: LogQuery): AsyncGenerator<LogLine> {
  const file = await openLogToRead(path);
  if (file === undefined) return;
  await using _ = { [Symbol.asyncDispose]: () => file.close() };
  let position = query.tail === undefined ? 0 : await startOfTail(file, query.tail);
  let rest: Buffer = Buffer.alloc(0);
  using wakeup = new Wakeup(path, query.follow);
  for (;;) {
    if (query.signal?.aborted === true) return;
    const isLast = wakeup.isOver; // asked before the read: what was written before the end is still read
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(CHUNK_BYTES), position });
    position += bytesRead;
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
      const line = parseLogLine(rest.subarray(start, end));
      start = end + 1;
      if (line !== undefined && Date.parse(line.time) >= (query.since ?? 0)) yield line;
    }
    rest = rest.subarray(start);
    if (bytesRead > 0) continue;
    if (isLast) return;
    await wakeup.next(query.signal);
  }
}

/** Undefined for what is no record: a line that was cut off. */
function parseLogLine(line: Buffer): LogLine | undefined {
  const afterTime = line.indexOf(' ');
  const afterStream = line.indexOf(' ', afterTime + 1);
  const afterTag = line.indexOf(' ', afterStream + 1);
  if (afterTime < 0 || afterStream < 0 || afterTag < 0) return undefined;
  const stream = line.toString('latin1', afterTime + 1, afterStream);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  return {
    time: line.toString('latin1', 0, afterTime),
    stream,
    isPartial: line[afterStream + 1] === 'P'.charCodeAt(0),
    data: Uint8Array.from(line.subarray(afterTag + 1)),
  };
}

/** The runtime's own words in the container's log, when the kernel refused to run its program. @see crun, runc: execv */
const EXEC_FAILURE =
  /^exec (?:container process )?.*: (?:No such file or directory|Exec format error|Permission denied)$/i;

export async function explainEarlyEnd(path: string): Promise<string | undefined> {
  for await (const { data, stream } of readLog(path, { tail: 1 })) {
    const text = Buffer.from(data).toString('utf8');
    if (stream === 'stderr' && EXEC_FAILURE.test(text)) return text;
  }
  return undefined;
}

/** Where the last `lines` full lines begin. A record that is partial counts with the one that ends its line. */
async function startOfTail(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  let position = size;
  let left = lines + 1; // the newline before the first wanted line
  while (position > 0) {
    const length = Math.min(CHUNK_BYTES, position);
    position -= length;
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position, length });
    for (let at = buffer.lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1)) {
      if (await endsPartial(file, position + at)) continue;
      left -= 1;
      if (left === 0) return position + at + 1;
    }
  }
  return 0;
}

/** Whether the record that ends at this newline is a partial one. Its tag stands within the first 64 bytes. */
async function endsPartial(file: FileHandle, end: number): Promise<boolean> {
  let start = end;
  while (start > 0) {
    const length = Math.min(CHUNK_BYTES, start);
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position: start - length, length });
    const before = buffer.lastIndexOf(NEWLINE, length - 1);
    if (before >= 0) {
      start = start - length + before + 1;
      break;
    }
    start -= length;
  }
  const { buffer, bytesRead } = await file.read({
    buffer: Buffer.alloc(64),
    position: start,
    length: Math.min(64, end - start),
  });
  return / std(?:out|err) P(?: |$)/.test(buffer.toString('latin1', 0, bytesRead));
}

/** Wakes a follower when the file changes, when nothing more will come, and now and then in any case. */
class Wakeup implements Disposable {
  isOver: boolean;
  #wake: () => void = () => undefined;
  readonly #stopWatching: () => void;

  constructor(path: string, follow: Promise<void> | undefined) {
    this.isOver = follow === undefined;
    void follow?.then(() => {
      this.isOver = true;
      this.#wake();
    });
    this.#stopWatching = follow === undefined ? () => undefined : this.#watch(path);
  }

  /** Without a watch (none left on this host, or the file is being moved) looking now and then has to do. */
  #watch(path: string): () => void {
    try {
      const watcher = watch(path, () => this.#wake());
      watcher.on('error', () => undefined);
      return () => watcher.close();
    } catch {
      return () => undefined;
    }
  }

  async next(signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    this.#wake = () => over.abort();
    if (this.isOver) return;
    const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
    await sleepFor(LOOK_AGAIN_MS, undefined, { signal: either }).catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#stopWatching();
    this.#wake();
  }
}
