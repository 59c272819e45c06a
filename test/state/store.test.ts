import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../src/base/log.ts';
import type { ContainerRow } from '../../src/engine/container/state.ts';
import type { EventRow } from '../../src/engine/rows.ts';
import { openStore } from '../../src/state/index.ts';
import { MIGRATIONS } from '../../src/state/migrations.ts';
import type { OpenStoreOptions } from '../../src/state/index.ts';
import { containerRow } from '../support/rows.ts';

const run = promisify(execFile);

interface Place extends Disposable {
  readonly folder: string;
  readonly options: OpenStoreOptions;
}

function makePlace(extra: Partial<OpenStoreOptions> = {}): Place {
  const root = mkdtempSync(join(tmpdir(), 'berth-state-'));
  const folder = join(root, 'state');
  const options: OpenStoreOptions = {
    folder,
    runFolder: join(root, 'run'),
    log: silentLog,
    runProgram: async (file, args) => {
      await run(process.execPath, [file, ...args]);
      return 0;
    },
    ...extra,
  };
  return { folder, options, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

function event(n: number, container = 'c1'): EventRow {
  return { n, type: 'container.started', time: Date.now(), boot: n, container, run: 1, body: { n } };
}

test('what was saved is there after a daemon that was killed', async () => {
  using place = makePlace();
  const first = openStore(place.options);
  const row = containerRow({ name: 'web' });
  first.save({ containers: [row], events: [event(1)] });
  const stopped: ContainerRow = { ...row, runs: 3 };
  first.save({ containers: [stopped], events: [event(2)] });

  const second = openStore(place.options); // the first one is not closed: it is gone

  assert.deepEqual(second.load().containers, [stopped]);
  assert.equal(second.load().lastEvent, 2);
  assert.equal(second.load().origin, 'known');
  assert.deepEqual(
    second.events({ after: 0, limit: 10 }).map(({ n }) => n),
    [1, 2],
  );
  await first.close();
  await second.close();
});

test('rows that are removed are gone, with all else of the same change', async () => {
  using place = makePlace();
  const store = openStore(place.options);
  const row = containerRow({});
  store.save({ containers: [row] });
  store.save({ removed: { containers: [row.spec.id] }, events: [event(1)] });
  await store.close();

  const again = openStore(place.options);

  assert.deepEqual(again.load().containers, []);
  await again.close();
});

test('a checkpoint holds writes and loses none of them, and the WAL is small again', async () => {
  using place = makePlace({ checkpointAtBytes: 200_000 });
  const store = openStore(place.options);
  const row = containerRow({});
  for (let n = 1; n <= 2_000; n += 1) {
    store.save({ containers: [{ ...row, runs: n }], events: [event(n)] });
    if (n % 100 === 0) await store.durable();
  }
  await store.durable();

  assert.ok(statSync(join(place.folder, 'state.db-wal')).size < 1_000_000);
  assert.equal(store.events({ after: 1_990, limit: 100 }).length, 10);
  await store.close();
  const again = openStore(place.options);
  assert.equal(again.load().containers[0]?.runs, 2_000);
  assert.equal(again.load().lastEvent, 2_000);
  await again.close();
});

test('the event loop never waits for an fsync, whatever the disk does', async () => {
  using place = makePlace();
  const program = new URL('../programs/save-much.ts', import.meta.url).pathname;
  const trace = join(place.folder, '..', 'trace');
  // every sync of every thread and child takes a second longer
  await run('strace', [
    ...['-f', '-qq', '-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:delay_enter=1000000', '-o', trace],
    ...[process.execPath, program, place.folder, place.options.runFolder],
  ]);

  const { pid, longestSaveMs, checkpoints } = JSON.parse(readFileSync(join(place.folder, 'result.json'), 'utf8'));
  const ofMain = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${pid} `) && line.includes('sync('));
  assert.deepEqual(ofMain, [], 'no sync in the main thread');
  assert.ok(checkpoints >= 1, 'a checkpoint took place');
  assert.ok(longestSaveMs < 100, `the longest save took ${longestSaveMs} ms`);
});

test('a daemon killed while its writes were held loses none of them', async () => {
  using place = makePlace();
  const program = new URL('../programs/save-held.ts', import.meta.url).pathname;
  const daemon = spawn(process.execPath, [program, place.folder, place.options.runFolder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(daemon.stdout, 'data');
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');

  const store = openStore(place.options);

  assert.equal(store.load().containers[0]?.runs, 50);
  assert.equal(store.load().lastEvent, 50);
  await store.close();
});

test('a full disk keeps changes in memory and says so, until there is room', async () => {
  using place = makePlace();
  execFileSync('mkdir', ['-p', place.folder]);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', place.folder]);
  try {
    const store = openStore(place.options);
    const row = containerRow({});
    store.save({ containers: [row] });
    execFileSync('sh', ['-c', `head -c 2M /dev/zero > ${place.folder}/ballast || true`], { stdio: 'ignore' });

    for (let n = 1; n <= 100; n += 1) store.save({ containers: [{ ...row, runs: n }], events: [event(n)] });

    assert.match(store.trouble ?? '', /full/);
    assert.equal(store.events({ after: 0, limit: 1_000 }).length, 100);
    await store.durable(); // does not wait for what cannot come
    rmSync(join(place.folder, 'ballast'));
    while (store.trouble !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    await store.close();
    const again = openStore(place.options);
    assert.equal(again.load().containers[0]?.runs, 100);
    await again.close();
  } finally {
    execFileSync('umount', ['-l', place.folder]);
  }
});

for (const [what, spoil] of [
  [
    'garbage',
    (file: string) => writeFileSync(file, 'this is no database, and is long enough to be read as a header '.repeat(20)),
  ],
  ['a row that is no JSON', (file: string) => new DatabaseSync(file).exec("UPDATE containers SET rest = '{'")],
  ['a missing table', (file: string) => new DatabaseSync(file).exec('DROP TABLE debts')],
] as const) {
  test(`a database that cannot be read is put aside and not lost: ${what}`, async () => {
    using place = makePlace();
    const first = openStore(place.options);
    first.save({ containers: [containerRow({})] });
    await first.close();
    spoil(join(place.folder, 'state.db'));

    const store = openStore(place.options);

    assert.equal(store.load().origin, 'new');
    assert.ok(readdirSync(place.folder).some((name) => name.startsWith('state.db.unreadable-')));
    store.save({ containers: [containerRow({})] });
    await store.close();
  });
}

test('a database of a newer daemon is refused, with both versions, and left as it is', async () => {
  using place = makePlace();
  const first = openStore(place.options);
  await first.close();
  const database = new DatabaseSync(join(place.folder, 'state.db'));
  database.exec('PRAGMA user_version = 99');
  database.close();

  assert.throws(() => openStore(place.options), {
    code: 'Unsupported',
    message: new RegExp(`version 99.*up to ${MIGRATIONS.length}`),
  });
  assert.deepEqual(
    readdirSync(place.folder).filter((name) => name.includes('unreadable')),
    [],
  );
});

test('events are trimmed to what is to be kept, and the oldest one is known', async () => {
  using place = makePlace({ keepEvents: 100 });
  const store = openStore(place.options);
  for (let n = 1; n <= 1_024; n += 1) store.save({ events: [event(n)] });

  assert.ok(store.oldestEvent > 500, `the oldest is ${store.oldestEvent}`);
  assert.equal(store.events({ after: 0, limit: 1 })[0]?.n, store.oldestEvent);
  await store.close();
});

test('the newest event is never trimmed: the next daemon goes on counting from it', async () => {
  using place = makePlace({ keepEvents: 10, keepEventsMs: 1 });
  const store = openStore(place.options);
  for (let n = 1; n <= 3; n += 1) store.save({ events: [{ ...event(n), time: 1 }] });
  for (let save = 0; save < 1_024; save += 1) store.save({ containers: [containerRow({})] });
  await store.close();

  const again = openStore(place.options);

  assert.deepEqual([again.load().lastEvent, again.oldestEvent], [3, 3]);
  await again.close();
});

test('after a database was put aside no event number is given twice', async () => {
  using place = makePlace();
  const first = openStore(place.options);
  for (let n = 1; n <= 100; n += 1) first.save({ events: [event(n)] });
  await first.close();
  writeFileSync(join(place.folder, 'state.db'), 'not a database at all');
  for (const suffix of ['-wal', '-shm']) rmSync(join(place.folder, `state.db${suffix}`), { force: true });

  const store = openStore(place.options);

  assert.ok(store.load().lastEvent > 100);
  await store.close();
});

test('a start waits for a checkpoint of the daemon before it', async () => {
  using place = makePlace();
  const first = openStore(place.options);
  await first.close();
  const program = new URL('../programs/hold-lock.ts', import.meta.url).pathname;
  const holder = spawn(process.execPath, [program, join(place.folder, 'state.db'), '500'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  await once(holder.stdout, 'data');

  const store = openStore(place.options);

  assert.equal(store.trouble, undefined);
  await ended;
  await store.close();
});

test('a change that was cut off in the file of held changes is left out, what stands before it is not', async () => {
  using place = makePlace();
  const first = openStore(place.options);
  await first.close();
  const row = containerRow({});
  appendFileSync(
    join(place.options.runFolder, 'unsaved-state.jsonl'),
    `${JSON.stringify({ containers: [row] })}\n{"containers":[{"sp`,
  );

  const store = openStore(place.options);

  assert.deepEqual(store.load().containers, [row]);
  assert.equal(existsSync(join(place.options.runFolder, 'unsaved-state.jsonl')), false);
  await store.close();
});
