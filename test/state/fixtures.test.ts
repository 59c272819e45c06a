import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { silentLog } from '../../src/base/log.ts';
import { openStore } from '../../src/state/index.ts';
import { MIGRATIONS } from '../../src/state/migrations.ts';

const FIXTURES = new URL('fixtures/', import.meta.url).pathname;

/** What a daemon of each version left when it was killed; `v1.sql` and so on, with `PRAGMA user_version` in it. */
for (const [index] of MIGRATIONS.entries()) {
  const version = index + 1;
  test(`a database of version ${version} opens, and nothing in it is lost`, async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'berth-state-'));
    t.after(() => rmSync(root, { recursive: true }));
    const folder = join(root, 'state');
    mkdirSync(folder);
    const database = new DatabaseSync(join(folder, 'state.db'));
    database.exec(readFileSync(`${FIXTURES}v${version}.sql`, 'utf8'));
    database.close();

    const store = openStore({ folder, runFolder: join(root, 'run'), log: silentLog, runProgram: async () => 0 });

    const { containers, sandboxes, execs, debts, lastEvent, origin } = store.load();
    assert.equal(origin, 'known');
    assert.deepEqual(
      containers.map(({ spec, state }) => `${spec.name} ${state.phase}`).toSorted((a, b) => a.localeCompare(b)),
      ['created created', 'exited exited', 'paused paused', 'running running', 'stopping running'],
    );
    const stopping = containers.find(({ spec }) => spec.name === 'stopping')?.state;
    assert.equal(stopping?.phase === 'running' && stopping.run.stop?.delivery, 'delivered');
    assert.deepEqual(
      containers.map(({ spec }) => spec.sandboxId).toSorted((a, b) => a.localeCompare(b)),
      sandboxes.map(({ spec }) => spec.id).toSorted((a, b) => a.localeCompare(b)),
    );
    for (const { spec } of containers) {
      assert.deepEqual(
        [spec.role, spec.cgroupPath, spec.process.isStdinOnce],
        ['workload', `/berth/${spec.id}`, false],
      );
    }
    for (const { spec, state } of sandboxes) {
      assert.deepEqual([spec.ipc, spec.ports, spec.sysctls, spec.handler], ['sandbox', [], {}, 'crun']);
      if (state.phase === 'ready') assert.deepEqual(state.addresses, []);
    }
    assert.deepEqual([execs.length, debts.length, lastEvent], [1, 1, 21]);
    assert.equal(store.events({ after: 0, limit: 100 }).length, 21);
    store.save({ containers: containers.map((row) => ({ ...row, runs: row.runs + 1 })) });
    await store.close();
  });
}

test('there is a fixture of each version', () => {
  assert.equal(readdirSync(FIXTURES).length, MIGRATIONS.length);
});
