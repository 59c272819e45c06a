import type { DatabaseSync } from 'node:sqlite';

/** Turns a database of one version into the next, inside a transaction that the caller holds. */
export type Migration = (database: DatabaseSync) => void;

/**
 * Entry n-1 makes version n of n-1. Versions are never changed once released: a fixture database of each stands in the
 * tests, and every one of them must still open.
 */
export const MIGRATIONS: readonly Migration[] = [
  function makeVersion1(database) {
    database.exec(`
      CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE containers (id TEXT PRIMARY KEY, spec TEXT NOT NULL, rest TEXT NOT NULL);
      CREATE TABLE sandboxes (id TEXT PRIMARY KEY, row TEXT NOT NULL);
      CREATE TABLE execs (id TEXT PRIMARY KEY, row TEXT NOT NULL);
      CREATE TABLE debts (id TEXT PRIMARY KEY, row TEXT NOT NULL);
      CREATE TABLE events (
        n INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        time INTEGER NOT NULL,
        boot REAL NOT NULL,
        container TEXT,
        sandbox TEXT,
        run INTEGER,
        body TEXT NOT NULL
      );
      CREATE INDEX events_of_container ON events (container, n);
    `);
  },
];
