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
  /** Pods: containers know their role and their cgroup, sandboxes what a pod has of its own. */
  function makeVersion2(database) {
    database.exec(`
      UPDATE containers SET spec = json_set(spec,
        '$.role', 'workload',
        '$.cgroupPath', '/berth/' || id,
        '$.process.isStdinOnce', json('false'));
      UPDATE sandboxes SET row = json_set(row,
        '$.spec.ipc', 'sandbox',
        '$.spec.ports', json('[]'),
        '$.spec.sysctls', json('{}'),
        '$.spec.handler', coalesce(
          (SELECT spec ->> '$.handler' FROM containers WHERE spec ->> '$.sandboxId' = sandboxes.id), 'crun'));
      UPDATE sandboxes SET row = json_set(row, '$.state.addresses', json('[]')) WHERE row ->> '$.state.phase' = 'ready';
    `);
  },
];
