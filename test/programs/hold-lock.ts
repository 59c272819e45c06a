/** Holds the write lock of a database for a while, as a checkpoint does. Says "held" when it has it. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleepFor } from 'node:timers/promises';

const [file = '', ms = ''] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec('BEGIN IMMEDIATE');
process.stdout.write('held\n');
await sleepFor(Number(ms));
database.exec('COMMIT');
database.close();
