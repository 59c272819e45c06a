import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { isMissing, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Change, EventQuery, SavedState, Store } from '../engine/ports.ts';
import type { EventRow } from '../engine/rows.ts';
import type { HeldChanges } from './held-changes.ts';
import type { Rows } from './rows.ts';

export interface StoreOptions {
  readonly file: string;
  readonly database: DatabaseSync;
  readonly rows: Rows;
  readonly held: HeldChanges;
  readonly saved: SavedState;
  readonly log: Log;
  readonly keepEvents: number;
  readonly keepEventsMs: number;
  /** Runs the checkpoint in another process; resolves when it has ended, in whatever way. */
  readonly checkpoint: (file: string) => Promise<void>;
  readonly checkpointAtBytes: number;
}

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 5_000;
/** Held for longer than this, it is no passing thing any more. */
const TROUBLE_AFTER_MS = 10_000;
/** The WAL's size is looked at once in so many saves. */
const LOOK_EVERY = 64;
const TRIM_EVERY = 256;

/** The port Store on SQLite. The event loop never waits for the disk in it. */
export class SqliteStore implements Store {
  readonly #options: StoreOptions;
  #saves = 0;
  #oldestEvent: number;
  #lastEvent: number;
  #isCheckpointing = false;
  #heldSince: number | undefined;
  #heldBecause: string | undefined;
  #syncError: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #wal: FileHandle | undefined;
  #syncing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#oldestEvent = options.rows.oldestEvent;
    this.#lastEvent = options.saved.lastEvent;
  }

  load(): SavedState {
    return this.#options.saved;
  }

  get oldestEvent(): number {
    return this.#oldestEvent === 0 ? this.#lastEvent + 1 : this.#oldestEvent;
  }

  get trouble(): string | undefined {
    if (this.#heldBecause !== undefined) return this.#heldBecause;
    if (this.#syncError !== undefined) return this.#syncError;
    const isLate = this.#heldSince !== undefined && performance.now() - this.#heldSince > TROUBLE_AFTER_MS;
    return isLate ? 'the database is locked or being checkpointed for too long' : undefined;
  }

  save(change: Change): void {
    const { rows, held } = this.#options;
    this.#note(change);
    if (this.#isCheckpointing || held.changes.length > 0) {
      this.#hold(change);
      return;
    }
    try {
      rows.write([change]);
      this.#afterSave();
    } catch (error) {
      this.#hold(change, reasonOf(error));
    }
  }

  /** One sync serves everybody who asked before it began. Where saving is in trouble there is nothing to wait for. */
  async durable(): Promise<void> {
    while (this.#isCheckpointing) await this.#syncing;
    while (this.#options.held.changes.length > 0 && this.trouble === undefined && !this.#isClosed) {
      await sleepFor(FIRST_RETRY_MS); // for somebody else's lock
    }
    if (this.#heldBecause !== undefined || this.#isClosed) return;
    await this.#syncing;
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = undefined;
    });
    await this.#syncing;
  }

  events(query: EventQuery): readonly EventRow[] {
    const stored = this.#options.rows.events(query);
    if (this.#options.held.changes.length === 0) return stored;
    return [...stored, ...this.#options.held.events(query)].slice(0, query.limit);
  }

  /** Writes what is held, if it can, and lets go of the files. The WAL stays: the next start reads it. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    this.#isClosed = true;
    if (this.#options.held.changes.length > 0) this.#flush();
    clearTimeout(this.#retry);
    await this.#wal?.close();
    this.#options.database.close();
  }

  #note({ events = [] }: Change): void {
    this.#lastEvent = events.at(-1)?.n ?? this.#lastEvent;
    if (this.#oldestEvent === 0) this.#oldestEvent = events[0]?.n ?? 0;
  }

  #hold(change: Change, because?: string): void {
    const { held, log } = this.#options;
    held.add(change);
    this.#heldSince ??= performance.now();
    if (because !== undefined && this.#heldBecause === undefined) {
      this.#heldBecause = because;
      log.error('state cannot be saved and is kept in memory', { error: because, file: held.fileError });
    }
    if (!this.#isCheckpointing) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #flush(): void {
    const { rows, held, log } = this.#options;
    if (this.#isCheckpointing) return;
    try {
      rows.write(held.changes);
    } catch (error) {
      this.#heldBecause = reasonOf(error);
      this.#retryLater();
      return;
    }
    if (this.#heldBecause !== undefined) log.info('state is saved again', { changes: held.changes.length });
    held.clear();
    this.#heldSince = undefined;
    this.#heldBecause = undefined;
    this.#retryMs = FIRST_RETRY_MS;
  }

  #afterSave(): void {
    this.#saves += 1;
    if (this.#saves % TRIM_EVERY === 0) this.#trim();
    if (this.#saves % LOOK_EVERY === 0 && this.#walBytes() > this.#options.checkpointAtBytes) void this.#checkpoint();
  }

  #trim(): void {
    const { rows, keepEvents, keepEventsMs } = this.#options;
    if (rows.trimEvents(this.#lastEvent - keepEvents, Date.now() - keepEventsMs) > 0)
      this.#oldestEvent = rows.oldestEvent;
  }

  #walBytes(): number {
    try {
      return statSync(`${this.#options.file}-wal`).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  }

  /** Writes are held until it is done: a commit of ours in between would have to sync the WAL's new header itself. */
  async #checkpoint(): Promise<void> {
    if (this.#isCheckpointing || this.#isClosed) return;
    this.#isCheckpointing = true;
    this.#syncing = this.#options
      .checkpoint(this.#options.file)
      .catch((error: unknown) => this.#options.log.warn('checkpoint failed', { error: messageOf(error) }));
    await this.#syncing;
    this.#syncing = undefined;
    this.#isCheckpointing = false;
    if (this.#options.held.changes.length > 0 && !this.#isClosed) this.#flush();
  }

  async #sync(): Promise<void> {
    try {
      this.#wal ??= await open(`${this.#options.file}-wal`, 'r');
      await this.#wal.datasync();
      this.#syncError = undefined;
    } catch (error) {
      this.#syncError = `it cannot be made durable: ${messageOf(error)}`;
      this.#options.log.error('state could not be made durable', { error: messageOf(error) });
    }
  }
}

const SQLITE_BUSY = 5;

/** Somebody else's lock passes; everything else has to be told. */
function reasonOf(error: unknown): string | undefined {
  const isBusy = error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
  return isBusy ? undefined : messageOf(error);
}
