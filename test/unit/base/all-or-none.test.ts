import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAborted } from '../../../src/base/abort.ts';
import { allOrNone } from '../../../src/base/all-or-none.ts';

const NEVER = new AbortController().signal;

test('the first failure ends the others, and is told when all have ended', async () => {
  const ended: string[] = [];

  const working = allOrNone(
    ['slow', 'broken', 'slower'],
    async (item, signal) => {
      if (item === 'broken') throw new Error('first');
      try {
        await untilAborted(new Promise<void>(() => undefined), signal);
      } finally {
        ended.push(item);
      }
    },
    NEVER,
  );

  await assert.rejects(working, /first/);
  assert.deepEqual(ended, ['slow', 'slower']);
});

test('the caller can end all of it', async () => {
  const patience = new AbortController();

  const working = allOrNone(
    [1, 2],
    (_, signal) => untilAborted(new Promise<void>(() => undefined), signal),
    patience.signal,
  );
  patience.abort();

  await assert.rejects(working, { code: 'Cancelled' });
});

test('nothing to do is done', async () => {
  await allOrNone([], () => Promise.reject(new Error('never')), NEVER);
});
