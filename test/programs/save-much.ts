/**
 * Saves much, with checkpoints in between, and tells how long the longest save took. Arguments: state folder, run
 * folder. The result goes to result.json in the state folder.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { silentLog } from '../../src/base/log.ts';
import { openStore } from '../../src/state/index.ts';
import { containerRow } from '../support/rows.ts';

const [folder = '', runFolder = ''] = process.argv.slice(2);
let checkpoints = 0;
const store = openStore({
  folder,
  runFolder,
  log: silentLog,
  runProgram: async (file, args) => {
    await promisify(execFile)(process.execPath, [file, ...args]);
    checkpoints += 1;
    return 0;
  },
  checkpointAtBytes: 500_000,
});
const row = containerRow({});
let longestSaveMs = 0;
for (let n = 1; checkpoints === 0 || n <= 3_000; n += 1) {
  const before = performance.now();
  store.save({
    containers: [{ ...row, runs: n }],
    events: [{ n, type: 'container.started', time: 0, boot: 0, body: { text: 'x'.repeat(500) } }],
  });
  longestSaveMs = Math.max(longestSaveMs, performance.now() - before);
  await nextTurn();
  if (n > 3_000) await new Promise((resolve) => setTimeout(resolve, 5));
}
writeFileSync(`${folder}/result.json`, JSON.stringify({ pid: process.pid, longestSaveMs, checkpoints }));
process.exit(0);
