import { closeSync, copyFileSync, existsSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Migration } from './migrations.ts';

export interface OpenedDatabase {
  readonly database: DatabaseSync;
  /** `new`: there was none, or it could not be read and stands aside now. */
  readonly origin: 'known' | 'new';
  /** Events are numbered from here on, if none is kept: after one that was put aside, no number is given twice. */
  readonly firstEvent: number;
}

/** SQLite's result codes for a file that is not what it should be. @see sqlite.org/rescode.html */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens the database, makes it or brings it up to date. One that cannot be read is put aside, never deleted, and a new
 * one takes its place: what runs is then adopted from what stands beside it.
 * @param check reads everything that the daemon needs; it throws when it cannot
 * @throws BerthError Unsupported when a newer daemon wrote it
 */
export function openDatabase(
  file: string,
  check: (database: DatabaseSync) => void,
  log: Log,
  migrations: readonly Migration[] = MIGRATIONS,
): OpenedDatabase {
  const isThere = existsSync(file);
  try {
    const database = connect(file);
    migrate(database, file, migrations);
    check(database);
    return { database, origin: isThere ? 'known' : 'new', firstEvent: 1 };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    const aside = putAside(file);
    log.error('database could not be read and was put aside', { file, aside, error: messageOf(error) });
    const database = connect(file);
    migrate(database, file, migrations);
    return { database, origin: 'new', firstEvent: Date.now() };
  }
}

/**
 * The writer never waits for a disk. With synchronous=NORMAL only the first commit of a new WAL does, for its header;
 * that one is made without where there is no WAL, so that nothing older could be read in its place after a power cut.
 * Checkpoints are left to another process.
 */
function connect(file: string): DatabaseSync {
  const wal = statSync(`${file}-wal`, { throwIfNoEntry: false });
  const mode = wal === undefined || wal.size === 0 ? 'OFF' : 'NORMAL';
  closeSync(openSync(file, 'a', 0o600)); // the other files of SQLite get the mode of this one
  const database = new DatabaseSync(file);
  database.exec(
    `PRAGMA synchronous = ${mode}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = ${OPEN_PATIENCE_MS}`,
  );
  return database;
}

/** A checkpoint that an earlier daemon began goes on without it; on a slow disk it holds its lock for a while. */
const OPEN_PATIENCE_MS = 30_000;

/** From here on the event loop waits for no lock. */
export function stopWaiting(database: DatabaseSync): void {
  database.exec('PRAGMA busy_timeout = 0');
}

function migrate(database: DatabaseSync, file: string, migrations: readonly Migration[]): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  const newest = migrations.length;
  if (version > newest) {
    database.close();
    throw new BerthError(
      'Unsupported',
      `Cannot use the state in "${file}": it has version ${version}, this daemon knows up to ${newest}: use a newer berth`,
    );
  }
  if (version > 0 && version < newest) keepCopy(database, file, version);
  if (version < newest) {
    database.exec('BEGIN IMMEDIATE');
    for (const step of migrations.slice(version)) step(database);
    database.exec(`PRAGMA user_version = ${newest}; COMMIT`);
  }
  // A first commit, so that the WAL has its header.
  database.exec(
    "INSERT INTO meta VALUES ('opened', datetime()) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  database.exec('PRAGMA synchronous = NORMAL');
}

/** The way back: an older daemon refuses the new version, but can be given this. */
function keepCopy(database: DatabaseSync, file: string, version: number): void {
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  copyFileSync(file, `${file}.v${version}`);
}

function isUnreadable(error: unknown): boolean {
  if (error instanceof SyntaxError) return true; // a row that is no JSON
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB || isSchemaMissing(error);
}

/** A file that says it has our version, but not our tables. */
function isSchemaMissing(error: unknown): boolean {
  return error instanceof Error && /no such (table|column)/.test(error.message);
}

function putAside(file: string): string {
  const aside = `${file}.unreadable-${Math.round(statSync(file).mtimeMs)}`;
  renameSync(file, aside);
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
    rmSync(file + suffix, { force: true });
  }
  return aside;
}
