import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Mailbox } from '../../../src/base/mailbox.ts';

test('tasks run one after the other, in the order in which they came, and a failure stops nobody', async () => {
  const mailbox = new Mailbox();
  const seen: string[] = [];
  const first = mailbox.run(async () => {
    await nextTurn();
    seen.push('first');
  });
  const second = mailbox.run(() => {
    seen.push('second');
    throw new Error('second fails');
  });
  const third = mailbox.run(() => seen.push('third'));

  await assert.rejects(second, /second fails/);
  await Promise.all([first, third]);
  assert.deepEqual(seen, ['first', 'second', 'third']);
});
