import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Places, Turns } from '../../../src/network/turns.ts';

test('the work of one sandbox is done in order, that of others meanwhile', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const all = [
    turns.take('a', () => first.promise.then(() => void done.push('a1'))),
    turns.take('a', () => Promise.resolve(void done.push('a2'))),
    turns.take('b', () => Promise.resolve(void done.push('b'))),
  ];
  await all[2];
  assert.deepEqual(done, ['b']);
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(done, ['b', 'a1', 'a2']);
});

test('work that fails does not keep the next from its turn', async () => {
  const turns = new Turns();
  const failing = turns.take('a', () => Promise.reject(new Error('no')));
  const next = turns.take('a', () => Promise.resolve('done'));
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'done');
});

test('work whose caller gave up before its turn is not begun, and the next waits for its turn all the same', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const abort = new AbortController();
  const working = turns.take('a', () => first.promise);
  const given = turns.take('a', () => Promise.resolve(void done.push('given up')), abort.signal);
  const next = turns.take('a', () => Promise.resolve(void done.push('next')));
  abort.abort();
  await assert.rejects(given, { code: 'Cancelled' });
  await nextTurn();
  assert.deepEqual(done, []);
  first.resolve();
  await Promise.all([working, next]);
  assert.deepEqual(done, ['next']);
});

test('no more work is done at once than there are places, and who waited longest is next', async () => {
  const places = new Places(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, index) =>
    places.take(() => {
      begun.push(index);
      return promise;
    }),
  );
  await nextTurn();
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.resolve();
  await nextTurn();
  assert.deepEqual(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.all(all);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test('who gives up waiting leaves its place to the others', async () => {
  const places = new Places(1);
  const first = Promise.withResolvers<void>();
  const abort = new AbortController();
  const working = places.take(() => first.promise);
  const waiting = places.take(() => Promise.resolve('never'), abort.signal);
  const last = places.take(() => Promise.resolve('last'));
  abort.abort();
  await assert.rejects(waiting, { code: 'Cancelled' });
  await assert.rejects(
    places.take(() => Promise.resolve('never'), abort.signal),
    { code: 'Cancelled' },
  );
  first.resolve();
  await working;
  assert.equal(await last, 'last');
  assert.equal(await places.take(() => Promise.resolve('free again')), 'free again');
});
