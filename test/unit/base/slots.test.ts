import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from '../../../src/base/slots.ts';

const NEVER = new AbortController().signal;

test('no more than so many hold a slot at a time, and the line is served in order', async () => {
  const slots = new Slots(2);
  const order: string[] = [];
  const first = await slots.take(NEVER);
  const second = await slots.take(NEVER);
  const waiting = ['a', 'b', 'c'].map(async (name) => {
    using _ = await slots.take(NEVER);
    order.push(name);
  });
  await Promise.resolve();
  assert.deepEqual(order, []);

  second[Symbol.dispose]();
  second[Symbol.dispose](); // giving it back twice is giving it back once
  await Promise.all(waiting);

  assert.deepEqual(order, ['a', 'b', 'c']);
  first[Symbol.dispose]();
});

test('who gives up leaves the line', async () => {
  const slots = new Slots(1);
  const held = await slots.take(NEVER);
  const impatience = new AbortController();
  const waiting = slots.take(impatience.signal);
  const next = slots.take(NEVER);

  impatience.abort();
  await assert.rejects(waiting, { code: 'Cancelled' });
  held[Symbol.dispose]();

  (await next)[Symbol.dispose]();
  (await slots.take(NEVER))[Symbol.dispose]();
});

test('a slot that comes just as its taker gives up is not lost', async () => {
  const slots = new Slots(1);
  const held = await slots.take(NEVER);
  const impatience = new AbortController();
  const waiting = slots.take(impatience.signal);

  impatience.abort();
  held[Symbol.dispose]();
  await assert.rejects(waiting, { code: 'Cancelled' });

  (await slots.take(NEVER))[Symbol.dispose]();
});
