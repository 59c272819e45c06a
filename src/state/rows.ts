import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ContainerRow } from '../engine/container/state.ts';
import type { Change, EventQuery, SavedState } from '../engine/ports.ts';
import type { DebtRow, EventRow, ExecRow } from '../engine/rows.ts';
import type { SandboxRow } from '../engine/sandbox/state.ts';

/** Events deleted in one transaction at the most, so that no commit takes long. */
const TRIM_BATCH = 512;

/** Reads and writes rows and events with prepared statements. It knows nothing of what may go wrong with the disk. */
export class Rows {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  /** A container's spec hardly ever changes and is the larger part of it, so it is written only when it does. */
  readonly #savedSpecs = new Map<string, unknown>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  load(): Omit<SavedState, 'origin'> {
    const containers = readContainers(this.#database);
    for (const { spec } of containers) this.#savedSpecs.set(spec.id, spec);
    const { last } = this.#database.prepare('SELECT coalesce(max(n), 0) AS last FROM events').get() as { last: number };
    return {
      containers,
      sandboxes: readRows<SandboxRow>(this.#database, 'sandboxes'),
      execs: readRows<ExecRow>(this.#database, 'execs'),
      debts: readRows<DebtRow>(this.#database, 'debts'),
      lastEvent: last,
    };
  }

  /** All of it or, when it throws, nothing. Writing the same changes again gives the same rows. */
  write(changes: readonly Change[]): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const change of changes) this.#writeOne(change);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#savedSpecs.clear(); // what was not committed is not saved
      throw error;
    }
  }

  events({ after, container, limit }: EventQuery): EventRow[] {
    const rows =
      container === undefined
        ? this.#statements.eventsAfter.all(after, limit)
        : this.#statements.eventsOf.all(container, after, limit);
    return rows.map((row) => eventOf(row as unknown as StoredEvent));
  }

  get oldestEvent(): number {
    const { oldest } = this.#statements.oldestEvent.get() as { oldest: number };
    return oldest;
  }

  /** Deletes a batch of the events up to `n` or older than `time`. Returns how many there were. */
  trimEvents(n: number, time: number): number {
    return Number(this.#statements.trim.run(n, time, TRIM_BATCH).changes);
  }

  #writeOne({ containers = [], sandboxes = [], execs = [], debts = [], removed = {}, events = [] }: Change): void {
    const s = this.#statements;
    for (const row of containers) this.#writeContainer(row);
    for (const row of sandboxes) s.putSandbox.run(row.spec.id, JSON.stringify(row));
    for (const row of execs) s.putExec.run(row.id, JSON.stringify(row));
    for (const row of debts) s.putDebt.run(row.id, JSON.stringify(row));
    for (const id of removed.containers ?? []) {
      s.dropContainer.run(id);
      this.#savedSpecs.delete(id);
    }
    for (const id of removed.sandboxes ?? []) s.dropSandbox.run(id);
    for (const id of removed.execs ?? []) s.dropExec.run(id);
    for (const id of removed.debts ?? []) s.dropDebt.run(id);
    for (const event of events) {
      const { n, type, time, boot, container = null, sandbox = null, run = null, body } = event;
      s.putEvent.run(n, type, time, boot, container, sandbox, run, JSON.stringify(body));
    }
  }

  #writeContainer({ spec, ...rest }: ContainerRow): void {
    if (this.#savedSpecs.get(spec.id) === spec) {
      this.#statements.updateContainer.run(JSON.stringify(rest), spec.id);
      return;
    }
    this.#statements.putContainer.run(spec.id, JSON.stringify(spec), JSON.stringify(rest));
    this.#savedSpecs.set(spec.id, spec);
  }
}

function prepareAll(database: DatabaseSync) {
  const put = (table: string): StatementSync =>
    database.prepare(`INSERT INTO ${table} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row`);
  const drop = (table: string): StatementSync => database.prepare(`DELETE FROM ${table} WHERE id = ?`);
  return {
    putContainer: database.prepare(
      'INSERT INTO containers VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, rest = excluded.rest',
    ),
    updateContainer: database.prepare('UPDATE containers SET rest = ? WHERE id = ?'),
    putSandbox: put('sandboxes'),
    putExec: put('execs'),
    putDebt: put('debts'),
    dropContainer: drop('containers'),
    dropSandbox: drop('sandboxes'),
    dropExec: drop('execs'),
    dropDebt: drop('debts'),
    putEvent: database.prepare('INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    eventsAfter: database.prepare('SELECT * FROM events WHERE n > ? ORDER BY n LIMIT ?'),
    eventsOf: database.prepare('SELECT * FROM events WHERE container = ? AND n > ? ORDER BY n LIMIT ?'),
    oldestEvent: database.prepare('SELECT coalesce(min(n), 0) AS oldest FROM events'),
    trim: database.prepare(
      // Never the newest, from which the next daemon goes on counting.
      `DELETE FROM events WHERE n IN (
        SELECT n FROM events WHERE (n <= ? OR time < ?) AND n < (SELECT max(n) FROM events) ORDER BY n LIMIT ?)`,
    ),
  };
}

/** @throws SyntaxError when a row is no JSON */
export function readContainers(database: DatabaseSync): ContainerRow[] {
  const rows = database.prepare('SELECT spec, rest FROM containers').all() as { spec: string; rest: string }[];
  return rows.map(({ spec, rest }) => ({ spec: JSON.parse(spec), ...JSON.parse(rest) }) as ContainerRow);
}

/** @throws SyntaxError when a row is no JSON */
export function readRows<T>(database: DatabaseSync, table: 'sandboxes' | 'execs' | 'debts'): T[] {
  const rows = database.prepare(`SELECT row FROM ${table}`).all() as { row: string }[];
  return rows.map(({ row }) => JSON.parse(row) as T);
}

interface StoredEvent extends Omit<EventRow, 'container' | 'sandbox' | 'run' | 'body'> {
  readonly container: string | null;
  readonly sandbox: string | null;
  readonly run: number | null;
  readonly body: string;
}

function eventOf({ n, type, time, boot, container, sandbox, run, body }: StoredEvent): EventRow {
  return {
    n,
    type,
    time,
    boot,
    ...(container === null ? {} : { container }),
    ...(sandbox === null ? {} : { sandbox }),
    ...(run === null ? {} : { run }),
    body: JSON.parse(body) as EventRow['body'],
  };
}
