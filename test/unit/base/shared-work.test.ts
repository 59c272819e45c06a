import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAborted } from '../../../src/base/abort.ts';
import { SharedWork } from '../../../src/base/shared-work.ts';

interface Order {
  readonly signal: AbortSignal;
  readonly tell: (progress: string) => void;
}

/** Work that goes on until the test ends it. */
class Job {
  readonly orders: Order[] = [];
  readonly undone: string[] = [];
  #ends: PromiseWithResolvers<string>[] = [];

  readonly work = async (order: Order): Promise<string> => {
    const end = Promise.withResolvers<string>();
    this.orders.push(order);
    this.#ends.push(end);
    try {
      return await untilAborted(end.promise, order.signal);
    } catch (error) {
      await Promise.resolve();
      this.undone.push(`run ${this.orders.indexOf(order)}`);
      throw error;
    }
  };

  end(run = 0): void {
    this.#ends[run]?.resolve('done');
  }

  fail(run = 0): void {
    this.#ends[run]?.reject(new Error('broken'));
  }
}

function waiter(heard: string[] = []) {
  const patience = new AbortController();
  return { patience, heard, options: { signal: patience.signal, onProgress: (text: string) => heard.push(text) } };
}

const kindOf = (text: string): string => text[0] ?? '';

test('several who want the same have it done once, and all hear of it', async () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const [one, two] = [waiter(), waiter()];

  const first = shared.join('key', job.work, one.options);
  const second = shared.join('key', job.work, two.options);
  const other = shared.join('other', job.work, waiter().options);
  await Promise.resolve();
  job.orders[0]?.tell('a');
  job.end(0);
  job.end(1);

  assert.deepEqual([first.isFirst, second.isFirst, other.isFirst], [true, false, true]);
  assert.deepEqual(await Promise.all([first.result, second.result, other.result]), ['done', 'done', 'done']);
  assert.deepEqual([one.heard, two.heard], [['a'], ['a']]);
  assert.equal(job.orders.length, 2);
});

test('who comes later hears the newest of each kind', async () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const late = waiter();
  const first = shared.join('key', job.work, waiter().options);
  await Promise.resolve();
  for (const text of ['a1', 'b1', 'a2']) job.orders[0]?.tell(text);

  const second = shared.join('key', job.work, late.options);
  job.end();
  await Promise.all([first.result, second.result]);

  assert.deepEqual(late.heard.toSorted(), ['a2', 'b1']);
});

test('one who gives up ends only the wait; the last one ends the work, and waits until it is undone', async () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const [one, two] = [waiter(), waiter()];
  const first = shared.join('key', job.work, one.options);
  const second = shared.join('key', job.work, two.options);
  await Promise.resolve();

  one.patience.abort();
  await assert.rejects(first.result, { code: 'Cancelled' });
  assert.deepEqual(job.undone, []);
  two.patience.abort();
  await assert.rejects(second.result, { code: 'Cancelled' });

  assert.deepEqual(job.undone, ['run 0']);
});

test('who comes while work is being undone has it begun anew', async () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const one = waiter();
  const first = shared.join('key', job.work, one.options);
  await Promise.resolve();
  one.patience.abort();

  await assert.rejects(first.result, { code: 'Cancelled' });
  const second = shared.join('key', job.work, waiter().options);
  await Promise.resolve();
  job.end(1);

  assert.equal(second.isFirst, true);
  assert.equal(await second.result, 'done');
});

test('a failure is told to everybody, and the next one begins anew', async () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const first = shared.join('key', job.work, waiter().options);
  const second = shared.join('key', job.work, waiter().options);
  await Promise.resolve();

  job.fail();

  await assert.rejects(first.result, /broken/);
  await assert.rejects(second.result, /broken/);
  const third = shared.join('key', job.work, waiter().options);
  assert.equal(third.isFirst, true);
  await Promise.resolve();
  job.end(1);
  await third.result;
});

test('nothing is begun for somebody who has given up already', () => {
  const shared = new SharedWork<string, string>(kindOf);
  const job = new Job();
  const one = waiter();
  one.patience.abort();

  assert.throws(() => shared.join('key', job.work, one.options), { code: 'Cancelled' });

  assert.equal(job.orders.length, 0);
});
