/** Saves while a checkpoint that never ends holds the writes, says "ready", and waits to be killed. */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import { openStore } from '../../src/state/index.ts';
import { containerRow } from '../support/rows.ts';

const [folder = '', runFolder = ''] = process.argv.slice(2);
const store = openStore({
  folder,
  runFolder,
  log: silentLog,
  runProgram: () => sleepFor(60_000, 0),
  checkpointAtBytes: 1,
});
const row = containerRow({});
for (let n = 1; n <= 50; n += 1) {
  for (let filler = 0; n === 1 && filler < 64; filler += 1) store.save({ containers: [row] });
  store.save({
    containers: [{ ...row, runs: n }],
    events: [{ n, type: 'container.started', time: Date.now(), boot: 0, body: {} }],
  });
}
process.stdout.write('ready\n');
await sleepFor(60_000);
