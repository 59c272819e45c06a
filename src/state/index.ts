import { mkdirSync } from 'node:fs';
import type { Log } from '../base/log.ts';
import { openDatabase, stopWaiting } from './database.ts';
import { HeldChanges } from './held-changes.ts';
import { Rows, readContainers, readRows } from './rows.ts';
import { SqliteStore } from './store.ts';

export interface OpenStoreOptions {
  /** Where the database is: `/var/lib/berth`. */
  readonly folder: string;
  /** A tmpfs: `/run/berth`. */
  readonly runFolder: string;
  readonly log: Log;
  /** Runs one of berth's own programs with Node; resolves with its exit code. */
  readonly runProgram: (file: string, args: readonly string[]) => Promise<number>;
  readonly keepEvents?: number;
  readonly keepEventsMs?: number;
  readonly checkpointAtBytes?: number;
}

const KEEP_EVENTS = 100_000;
const KEEP_EVENTS_MS = 7 * 86_400_000;
const CHECKPOINT_AT_BYTES = 16 << 20;

/** @throws BerthError Unsupported when a newer daemon wrote the database */
export function openStore(options: OpenStoreOptions): SqliteStore {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  mkdirSync(options.runFolder, { recursive: true, mode: 0o755 });
  const file = `${options.folder}/state.db`;
  const { database, origin, firstEvent } = openDatabase(file, checkRows, options.log);
  const rows = new Rows(database);
  const held = new HeldChanges(`${options.runFolder}/unsaved-state.jsonl`);
  const left = held.restore();
  if (left.length > 0) {
    rows.write(left);
    held.clear();
    options.log.info('state that an earlier daemon held was saved', { changes: left.length });
  }
  stopWaiting(database);
  const saved = rows.load();
  return new SqliteStore({
    file,
    database,
    rows,
    held,
    saved: { ...saved, lastEvent: Math.max(saved.lastEvent, firstEvent - 1), origin },
    log: options.log,
    keepEvents: options.keepEvents ?? KEEP_EVENTS,
    keepEventsMs: options.keepEventsMs ?? KEEP_EVENTS_MS,
    checkpointAtBytes: options.checkpointAtBytes ?? CHECKPOINT_AT_BYTES,
    checkpoint: async (path) => {
      const code = await options.runProgram(new URL('./checkpoint-process.ts', import.meta.url).pathname, [path]);
      if (code !== 0) throw new Error(`the checkpoint ended with code ${code}`);
    },
  });
}

function checkRows(database: Parameters<typeof readContainers>[0]): void {
  readContainers(database);
  for (const table of ['sandboxes', 'execs', 'debts'] as const) readRows(database, table);
  database.prepare('SELECT * FROM events ORDER BY n DESC LIMIT 1').get();
}
