import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../../src/engine/journal.ts';
import type { NewEvent } from '../../src/engine/journal.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { MemoryDisk, MemoryStore } from '../fakes/memory-store.ts';

const told = (container: string): NewEvent => ({ type: 'container.started', container, body: {} });

function makeJournal(last = 0) {
  const disk = new MemoryDisk();
  const journal = new Journal(new MemoryStore(disk), new ManualClock(), last);
  return { disk, journal };
}

test('a follower reads on from its number at its own speed, also what is long out of memory', async () => {
  const { journal } = makeJournal();
  for (let n = 1; n <= 5_000; n += 1) journal.record({}, [told(n % 2 === 0 ? 'even' : 'odd')]);
  using all = journal.follow({ after: 10 });
  using even = journal.follow({ after: 0, container: 'even' });

  const numbers: number[] = [];
  for (let n = 0; n < 4_990; n += 1) numbers.push(((await all.next()).value as { n: number }).n);
  journal.record({}, [told('even')]);

  assert.deepEqual(
    numbers,
    Array.from({ length: 4_990 }, (_, index) => index + 11),
  );
  assert.equal(((await all.next()).value as { n: number }).n, 5_001);
  assert.equal(((await even.next()).value as { n: number }).n, 2);
});

test('who asks for events that are not kept is told so, and which ones are', () => {
  const { disk, journal } = makeJournal();
  for (let n = 1; n <= 100; n += 1) journal.record({}, [told('c')]);
  disk.events.splice(0, 50);

  assert.throws(() => journal.follow({ after: 49 }), {
    code: 'NotFound',
    message: /compacted, those kept are 51 to 100/,
  });
  assert.throws(() => journal.follow({ after: 101 }), { code: 'NotFound' });
  journal.follow({ after: 50 })[Symbol.dispose]();
  journal.follow({ after: 100 })[Symbol.dispose]();
});

test('a follower that sleeps until its place is not kept any more is told so', async () => {
  const { disk, journal } = makeJournal();
  journal.record({}, [told('c')]);
  using feed = journal.follow({ after: 0 });
  await feed.next();
  for (let n = 0; n < 5_000; n += 1) journal.record({}, [told('c')]);
  disk.events.splice(0, 4_000);

  await assert.rejects(feed.next(), { code: 'NotFound' });
});
