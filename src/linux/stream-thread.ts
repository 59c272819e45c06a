import { Worker } from 'node:worker_threads';
import { close, eventfd, write } from './abi.ts';

/**
 * `packets`: a socket of packets, each of which begins with a byte that names its channel; what is written is cut into
 * packets without one. `bytes`: anything else, in one channel, 0. It must not block.
 */
export type Framing = 'packets' | 'bytes';

export interface StreamOptions {
  readonly framing: Framing;
  /** Left out: it is only written to. */
  readonly reader?: StreamReader;
}

export interface StreamReader {
  /** So much is read before any of it is granted. */
  readonly creditBytes: number;
  onData(data: Uint8Array, channel: number): void;
  /** There will be no more: it came to its end, or was closed by the thread's end. */
  onEnd(): void;
}

/** A descriptor whose bytes are moved by a thread. */
export interface ThreadStream extends Disposable {
  /** Resolves when the kernel has taken all of it. False: nobody takes it any more. */
  write(data: Uint8Array): Promise<boolean>;
  /** Tells the other end of a socket that there is no more, after what was written. */
  endWriting(): void;
  /** So much more may be read. */
  grant(bytes: number): void;
  /** Closes it after what was written. */
  closeGently(): void;
}

export type StreamRequest =
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly fd: number;
      readonly framing: Framing;
      readonly credit: number;
    }
  | { readonly kind: 'write'; readonly id: number; readonly data: Uint8Array }
  | { readonly kind: 'end-writing'; readonly id: number }
  | { readonly kind: 'grant'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'close'; readonly id: number; readonly isGentle: boolean }
  | { readonly kind: 'end' };

export type StreamNotice =
  /** `parts`: channel and length of each piece of the data. */
  | { readonly kind: 'data'; readonly id: number; readonly parts: readonly number[]; readonly data: Uint8Array }
  /** The oldest write is done. */
  | { readonly kind: 'written'; readonly id: number }
  /** Nothing of it is written any more. */
  | { readonly kind: 'refused'; readonly id: number }
  | { readonly kind: 'ended'; readonly id: number };

interface Entry {
  readonly fd: number;
  readonly reader: StreamReader | undefined;
  readonly writes: ((isTaken: boolean) => void)[];
  isRefused: boolean;
}

interface Thread {
  readonly worker: Worker;
  readonly wakeFd: number;
}

const wake = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Moves the bytes of descriptors that Node's event loop does not take: sockets of packets, masters of terminals, pipes
 * of other processes. One thread polls all of them. It is not the one that waits for processes to end: that one must be
 * there within microseconds, whatever is printed meanwhile. It starts with the first descriptor.
 */
export class StreamThread implements AsyncDisposable {
  #thread: Thread | undefined;
  #nextId = 1;
  readonly #entries = new Map<number, Entry>();

  /** From here on the descriptor is the stream's, which closes it. */
  open(fd: number, { framing, reader }: StreamOptions): ThreadStream {
    const thread = (this.#thread ??= this.#start());
    const id = this.#nextId++;
    const entry: Entry = { fd, reader, writes: [], isRefused: false };
    this.#entries.set(id, entry);
    thread.worker.ref();
    this.#post({ kind: 'open', id, fd, framing, credit: reader?.creditBytes ?? 0 });
    return {
      write: (data) => this.#write(id, entry, data),
      endWriting: () => this.#post({ kind: 'end-writing', id }),
      grant: (bytes) => this.#post({ kind: 'grant', id, bytes }),
      closeGently: () => this.#close(id, true),
      [Symbol.dispose]: () => this.#close(id, false),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#post({ kind: 'end' });
    thread.worker.ref();
    await new Promise((resolve) => thread.worker.once('exit', resolve));
    this.#forget(thread);
  }

  #start(): Thread {
    const wakeFd = eventfd();
    const worker = new Worker(new URL('./stream-thread.worker.ts', import.meta.url), {
      workerData: { wakeFd },
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    const thread = { worker, wakeFd };
    worker.on('message', (notice: StreamNotice) => this.#onNotice(notice));
    worker.on('error', () => this.#forget(thread)); // the next descriptor gets another one
    worker.unref();
    process.on('exit', this.#endAtExit);
    return thread;
  }

  /** Node waits for its threads at exit, and nothing but an event ends a poll. */
  readonly #endAtExit = (): void => this.#post({ kind: 'end' });

  #post(request: StreamRequest, transfer: ArrayBuffer[] = []): void {
    if (this.#thread === undefined) return;
    this.#thread.worker.postMessage(request, transfer);
    write(this.#thread.wakeFd, wake);
  }

  /** A copy: what is passed to a thread is not there any more for whoever gave it. */
  #write(id: number, entry: Entry, data: Uint8Array): Promise<boolean> {
    if (entry.isRefused || this.#entries.get(id) !== entry) return Promise.resolve(false);
    if (data.length === 0) return Promise.resolve(true);
    const copy = Uint8Array.from(data);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    entry.writes.push(resolve);
    this.#post({ kind: 'write', id, data: copy }, [copy.buffer]);
    return promise;
  }

  #close(id: number, isGentle: boolean): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#drop(id);
    refuse(entry);
    this.#post({ kind: 'close', id, isGentle });
  }

  #onNotice(notice: StreamNotice): void {
    const entry = this.#entries.get(notice.id);
    if (entry === undefined) return; // it was closed meanwhile
    switch (notice.kind) {
      case 'data':
        return tell(entry, notice);
      case 'written':
        return entry.writes.shift()?.(true);
      case 'refused':
        return refuse(entry);
      case 'ended':
        return entry.reader?.onEnd();
    }
  }

  #drop(id: number): void {
    this.#entries.delete(id);
    if (this.#entries.size === 0) this.#thread?.worker.unref();
  }

  /** The thread is gone, so nobody else closes its descriptors. */
  #forget(thread: Thread): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    process.off('exit', this.#endAtExit);
    close(thread.wakeFd);
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) {
      close(entry.fd);
      refuse(entry);
      entry.reader?.onEnd();
    }
  }
}

function tell({ reader }: Entry, { parts, data }: Extract<StreamNotice, { kind: 'data' }>): void {
  let at = 0;
  for (let index = 0; index < parts.length; index += 2) {
    const [channel = 0, length = 0] = [parts[index], parts[index + 1]];
    reader?.onData(data.subarray(at, at + length), channel);
    at += length;
  }
}

function refuse(entry: Entry): void {
  entry.isRefused = true;
  for (const resolve of entry.writes.splice(0)) resolve(false);
}
