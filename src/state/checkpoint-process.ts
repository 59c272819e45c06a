/**
 * Brings what is in the WAL into the database file and empties the WAL: the one place where berth waits for the disk,
 * so it is a process of its own. The daemon holds its writes meanwhile. The commit at the end writes the new WAL's
 * header, which has to be synced, so that the daemon's next commit need not.
 */
import { DatabaseSync } from 'node:sqlite';

const [file = ''] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec('PRAGMA busy_timeout = 10000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
database.exec(
  "INSERT INTO meta VALUES ('checkpointed', datetime()) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
);
// Not closed: closing the last connection would remove the WAL, header and all.
process.exit(busy);
