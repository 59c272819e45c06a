import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf, isMissing } from '../base/errors.ts';
import type { TerminalSize } from '../engine/ports.ts';
import { ioctl } from '../linux/abi.ts';
import type { TerminalWindow } from './monitor.ts';

/** A monitor that does not read its control file within this time hangs, or stands still. */
const READ_WITHIN_MS = 1_000;
const FIONREAD = 0x541b;
/** conmon takes nothing larger. @see conmon src/ctrl.c, process_winsz_ctrl_line */
const LARGEST_SIZE = 1_000;

/**
 * Tells a monitor the size of its terminal, through the control file "winsz" of its bundle. The newest size wins: those
 * that come while one is being told are told as one. Never two lines at once: conmon 2.1.6 takes the first of them
 * twice, and the last one is lost.
 */
export class WindowFile implements TerminalWindow {
  readonly #file: string;
  #newest: TerminalSize | undefined;
  #telling: Promise<void> | undefined;

  constructor(runFolder: string) {
    this.#file = `${runFolder}/winsz`;
  }

  /**
   * Resolves when the monitor has read this size or a newer one.
   * @throws BerthError WrongState when the monitor is gone; DeadlineExceeded when it does not read
   */
  async resize(size: TerminalSize): Promise<void> {
    this.#newest = size;
    while (this.#newest === size) {
      this.#telling ??= this.#tellNewest().finally(() => (this.#telling = undefined));
      await this.#telling;
    }
  }

  async #tellNewest(): Promise<void> {
    const file = await this.#open();
    try {
      await untilRead(file); // an earlier daemon may have written as well
      const size = this.#newest;
      if (size === undefined) return;
      this.#newest = undefined;
      await file.write(`${atMost(size.height)} ${atMost(size.width)}\n`);
      await untilRead(file);
    } finally {
      await file.close();
    }
  }

  /** Only to write, and without waiting: that fails when nobody is there to read. */
  async #open(): Promise<FileHandle> {
    try {
      return await open(this.#file, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (!isMissing(error) && errnoOf(error) !== 'ENXIO') throw error;
      throw new BerthError('WrongState', 'Cannot resize its terminal: its monitor is gone', { cause: error });
    }
  }
}

async function untilRead({ fd }: FileHandle): Promise<void> {
  const waiting = Buffer.alloc(4);
  const end = performance.now() + READ_WITHIN_MS;
  for (;;) {
    ioctl(fd, FIONREAD, waiting);
    if (waiting.readInt32LE(0) === 0) return;
    if (performance.now() > end) {
      const message = `Cannot resize its terminal: its monitor does not answer within ${READ_WITHIN_MS} ms`;
      throw new BerthError('DeadlineExceeded', message);
    }
    await sleepFor(1);
  }
}

function atMost(length: number): number {
  return Math.min(length, LARGEST_SIZE);
}
