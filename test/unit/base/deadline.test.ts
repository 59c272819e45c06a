import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadline } from '../../../src/base/deadline.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const never = new AbortController().signal;

test('a deadline can be brought forward and never put off', async () => {
  const clock = new ManualClock();
  const deadline = new Deadline(clock, clock.now() + 10_000);
  const begunAt = clock.now();
  const reached = deadline.reached(never).then(() => clock.now() - begunAt);

  assert.equal(deadline.bringForward(begunAt + 20_000), false);
  await clock.advance(1_000);
  assert.equal(deadline.bringForward(begunAt + 3_000), true);

  assert.equal(await clock.complete(reached), 3_000);
});

test('a deadline that never comes ends with what it waits for', async () => {
  const clock = new ManualClock();
  const over = new AbortController();
  const reached = new Deadline(clock, Infinity).reached(over.signal);
  await clock.advance(1_000_000);
  over.abort();
  await clock.complete(reached);
});
