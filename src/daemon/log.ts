import { write, writeSync } from 'node:fs';
import { pino } from 'pino';
import type { Log } from '../base/log.ts';

/** JSON lines on stderr, for the journal. */
export function createLog(level: 'debug' | 'info' | 'warn' | 'error'): Log & { flush(): void } {
  const lines = new LogLines(2);
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, lines);
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    flush: () => lines.flush(),
  };
}

const MOST_WAITING_BYTES = 1 << 20;

/**
 * Writes in the background: a reader that stands still stops nobody, and what a full disk does not take is dropped.
 * pino's own destination tries for ever at the exit when the disk is full, so that the process would never end.
 */
class LogLines {
  readonly #fd: number;
  #waiting = '';
  #isWriting = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > MOST_WAITING_BYTES) return;
    this.#waiting += line;
    if (!this.#isWriting) this.#writeOn(Buffer.alloc(0));
  }

  /** For the end of the process: one try. */
  flush(): void {
    try {
      if (this.#waiting !== '') writeSync(this.#fd, this.#waiting);
    } catch {
      // nobody is left to be told
    }
    this.#waiting = '';
  }

  #writeOn(rest: Buffer): void {
    const chunk = rest.length > 0 ? rest : Buffer.from(this.#waiting);
    if (rest.length === 0) this.#waiting = '';
    this.#isWriting = chunk.length > 0;
    if (!this.#isWriting) return;
    write(this.#fd, chunk, (error, written) =>
      this.#writeOn(error === null ? chunk.subarray(written) : Buffer.alloc(0)),
    );
  }
}
