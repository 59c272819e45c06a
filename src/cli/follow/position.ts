import type { LogRecord } from '../../client/index.ts';

/**
 * How far a log was read, so that reading can go on there after it broke off. Records have no number, and what a
 * program prints at once has one time for all of it; so a place is a time and how many records of that time were read.
 */
export class LogPosition {
  #time: string | undefined;
  #read = 0;
  #toSkip = 0;
  #hasPassed = true;

  /** Unix ms from which on the log has to be read again; undefined: nothing was read yet. */
  get since(): number | undefined {
    return this.#time === undefined ? undefined : Date.parse(this.#time);
  }

  /** From here on the log is read again, from `since` on. */
  restart(): void {
    this.#hasPassed = this.#time === undefined;
    this.#toSkip = this.#read;
  }

  /** Whether the record is news. */
  accept({ time }: Pick<LogRecord, 'time'>): boolean {
    if (!this.#hasPassed && !this.#passes(time)) return false;
    this.#hasPassed = true;
    this.#read = time === this.#time ? this.#read + 1 : 1;
    this.#time = time;
    return true;
  }

  /** Records of the same ms may be older: their times are more exact than what the log was asked for. */
  #passes(time: string): boolean {
    if (this.#time === undefined || time > this.#time) return true;
    if (time < this.#time) return false;
    this.#toSkip -= 1;
    return this.#toSkip < 0;
  }
}
