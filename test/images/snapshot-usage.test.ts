import assert from 'node:assert/strict';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../src/base/log.ts';
import { SnapshotUsages } from '../../src/images/snapshot-usage.ts';
import { Children } from '../../src/linux/children.ts';
import { makeOciArchive } from '../support/images.ts';
import { openStore } from './store.ts';

const MIB = 1 << 20;

/** Folders by container id. */
class Uppers implements Disposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'bsu-'));

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }

  make(id: string, bytes: number): void {
    mkdirSync(`${this.root}/${id}`);
    writeFileSync(`${this.root}/${id}/file`, Buffer.alloc(bytes, 'x'));
  }

  usages(children = new Children(() => false), log = silentLog): SnapshotUsages {
    return new SnapshotUsages({ children, log, upperOf: (id) => `${this.root}/${id}` });
  }
}

/** Counts what it is asked for. */
class CountingChildren extends Children {
  readonly asked: (readonly string[])[] = [];

  constructor() {
    super(() => false);
  }

  override run(...call: Parameters<Children['run']>): ReturnType<Children['run']> {
    this.asked.push(call[1]);
    return super.run(...call);
  }
}

test('what a container has written is told at the first question', async () => {
  await using store = await openStore();
  const [image] = await store.load(makeOciArchive([{ names: ['app'], layers: [{ file: 'x'.repeat(10_000) }] }]));
  const root = await store.mount(image?.id ?? '', 'one');
  await store.mount(image?.id ?? '', 'two');
  writeFileSync(`${root}/big`, Buffer.alloc(3 * MIB, 'x'));
  mkdirSync(`${root}/folder`);

  const usages = await store.images.snapshotUsages(['one', 'two', 'nobody']);

  const one = usages.get('one');
  assert.ok((one?.usedBytes ?? 0) >= 3 * MIB && (one?.usedBytes ?? 0) < 4 * MIB, `${one?.usedBytes} bytes`);
  assert.equal(one?.usedInodes, 3);
  assert.ok(Math.abs((one?.at ?? 0) - Date.now()) < 60_000);
  assert.equal(usages.get('two')?.usedInodes, 1, 'what is in the image is not its own');
  assert.equal(usages.has('nobody'), false);
  const { device, totalBytes, freeInodes } = await store.images.disk();
  assert.match(device, /./);
  assert.ok(totalBytes > 3 * MIB && freeInodes >= 0);
});

test('a file with several names, a sparse one and a link are what they take of the disk', async () => {
  using uppers = new Uppers();
  uppers.make('one', MIB);
  linkSync(`${uppers.root}/one/file`, `${uppers.root}/one/again`);
  symlinkSync('/usr', `${uppers.root}/one/link`);
  writeFileSync(`${uppers.root}/one/sparse`, '');
  const { truncateSync } = await import('node:fs');
  truncateSync(`${uppers.root}/one/sparse`, 100 * MIB);
  const one = (await uppers.usages().of(['one'])).get('one');
  assert.ok((one?.usedBytes ?? 0) < 2 * MIB, `${one?.usedBytes} bytes`);
  assert.equal(one?.usedInodes, 4);
});

test('who asks again soon gets what is known, and nobody looks for that', async () => {
  using uppers = new Uppers();
  uppers.make('one', 10);
  const children = new CountingChildren();
  const usages = uppers.usages(children);
  const before = await usages.of(['one']);
  writeFileSync(`${uppers.root}/one/more`, Buffer.alloc(MIB, 'x'));
  assert.deepEqual(await usages.of(['one']), before);
  assert.equal(children.asked.length, 1);
});

test('many who ask at once are one look, and a new one among known ones is looked at by itself', async () => {
  using uppers = new Uppers();
  const ids = Array.from({ length: 100 }, (_, index) => `c${index}`);
  for (const id of ids) uppers.make(id, 10);
  const children = new CountingChildren();
  const usages = uppers.usages(children);
  const found = await Promise.all([usages.of(ids), usages.of(ids), usages.of(ids.slice(0, 5))]);
  assert.deepEqual(
    found.map(({ size }) => size),
    [100, 100, 5],
  );
  assert.equal(children.asked.length, 2, '64 at once');
  uppers.make('new', 10);
  assert.equal((await usages.of([...ids, 'new'])).size, 101);
  assert.equal(children.asked.at(-1)?.filter((word) => word.startsWith(uppers.root)).length, 1);
});

test('a file that may not be looked at does not hide the others', async () => {
  using uppers = new Uppers();
  uppers.make('one', MIB);
  mkdirSync(`${uppers.root}/one/secret`);
  chmodSync(`${uppers.root}/one/secret`, 0o000);
  assert.ok(((await uppers.usages().of(['one', 'gone'])).get('one')?.usedBytes ?? 0) >= MIB);
});

test('when nobody can look, that is told once, and who asks waits no longer', async () => {
  using uppers = new Uppers();
  uppers.make('one', 10);
  const told: string[] = [];
  const children = new Children(() => false);
  children.run = () => Promise.reject(new Error('no such program'));
  const usages = uppers.usages(children, { ...silentLog, warn: (text) => void told.push(text) });
  const begun = performance.now();
  for (let round = 0; round < 3; round += 1) assert.equal((await usages.of(['one'])).size, 0);
  assert.ok(performance.now() - begun < 1_000);
  assert.deepEqual(told, ['sizes of containers not measured']);
});

test('a container that is removed while it is looked at is not remembered', async () => {
  using uppers = new Uppers();
  uppers.make('one', 10);
  const usages = uppers.usages();
  const asking = usages.of(['one']);
  usages.forget('one');
  assert.equal((await asking).size, 0);
});
