import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import type { Change, EventQuery } from '../engine/ports.ts';
import type { EventRow } from '../engine/rows.ts';

/**
 * Changes that wait for the database: while another process checkpoints it, and while the disk refuses. They are kept
 * in memory, and in a file on the tmpfs as well, so that a daemon that is killed meanwhile loses none of them.
 */
export class HeldChanges {
  readonly #file: string;
  #changes: Change[] = [];
  #fileError: string | undefined;

  /** @param file on a tmpfs: it needs no disk, and a reboot ends what it tells of */
  constructor(file: string) {
    this.#file = file;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  /** Why the file could not be written either: then the memory is all there is. */
  get fileError(): string | undefined {
    return this.#fileError;
  }

  /** What an earlier daemon held when it ended. A last line that was cut off was never acted upon. */
  restore(): readonly Change[] {
    if (!existsSync(this.#file)) return [];
    const changes: Change[] = [];
    for (const line of readFileSync(this.#file, 'utf8').split('\n')) {
      if (line === '') continue;
      try {
        changes.push(JSON.parse(line) as Change);
      } catch {
        break;
      }
    }
    return changes;
  }

  add(change: Change): void {
    this.#changes.push(change);
    try {
      appendFileSync(this.#file, `${JSON.stringify(change)}\n`, { mode: 0o600 });
      this.#fileError = undefined;
    } catch (error) {
      this.#fileError = error instanceof Error ? error.message : String(error);
    }
  }

  /** They are in the database now. */
  clear(): void {
    this.#changes = [];
    rmSync(this.#file, { force: true });
  }

  events({ after, container }: EventQuery): EventRow[] {
    return this.#changes
      .flatMap(({ events = [] }) => events)
      .filter((event) => event.n > after && (container === undefined || event.container === container));
  }
}
