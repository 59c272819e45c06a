import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BerthError } from '../../src/base/errors.ts';
import { persist } from '../../src/cli/follow/persist.ts';
import { LogPosition } from '../../src/cli/follow/position.ts';

const at = (nanoseconds: string): { time: string } => ({ time: `2026-11-20T17:45:03.${nanoseconds}+01:00` });
const LOG = [
  at('100000001'),
  at('100000002'),
  at('100000002'),
  at('100000002'),
  at('100900000'),
  at('101000000'),
  at('101000000'),
];

/** What the daemon gives from a time on: its times are exact to the ms. */
function readFrom(since: number | undefined): { time: string }[] {
  return LOG.filter(({ time }) => Date.parse(time) >= (since ?? 0));
}

suite('a log that breaks off is read on, with nothing lost and nothing twice', () => {
  for (let first = 0; first <= LOG.length; first += 1) {
    for (let second = first; second <= LOG.length; second += 1) {
      test(`after ${first} records, and again after ${second}`, () => {
        const position = new LogPosition();
        const seen: object[] = [];
        const readUntil = (count: number): void => {
          position.restart();
          for (const record of readFrom(position.since)) {
            if (seen.length === count) return;
            if (position.accept(record)) seen.push(record);
          }
        };

        readUntil(first);
        readUntil(second);
        readUntil(LOG.length);

        assert.deepEqual(seen, LOG);
      });
    }
  }
});

const unavailable = new BerthError('Unavailable', 'gone');

test('work that breaks off is done again when the daemon is back, and it is said so', async () => {
  const told: string[] = [];
  let isAway = true;
  const client = { version: () => (isAway ? Promise.reject(unavailable) : Promise.resolve({} as never)) };
  const tell = (message: string): Promise<void> => {
    told.push(message);
    isAway = false;
    return Promise.resolve();
  };
  let tries = 0;

  const result = await persist({ client, what: 'wait', tell }, () => {
    tries += 1;
    return tries === 1 ? Promise.reject(unavailable) : Promise.resolve('done');
  });

  assert.equal(result, 'done');
  assert.deepEqual(told, [
    'The daemon went away; the container runs on. Waiting 10 s for it to come back',
    'The daemon is back',
  ]);
});

for (const [name, version] of [
  ['a daemon that does not come back', () => Promise.reject(unavailable)],
  ['a daemon that is there and fails each time', () => Promise.resolve({} as never)],
] as const) {
  test(`${name} is given up after a while`, async () => {
    const options = { client: { version }, what: 'wait for "web"', patienceMs: 250, tell: () => Promise.resolve() };

    const waiting = persist(options, () => Promise.reject(unavailable));

    const message = 'Cannot wait for "web" any more: the daemon did not come back within 0.25 s; the container runs on';
    await assert.rejects(waiting, new BerthError('Unavailable', message, { cause: unavailable }));
  });
}

test('any other error ends it at once', async () => {
  const error = new BerthError('NotFound', 'removed');
  const options = { client: { version: () => Promise.reject(error) }, what: 'wait', tell: () => Promise.resolve() };

  await assert.rejects(
    persist(options, () => Promise.reject(error)),
    error,
  );
});

test('a daemon that never was there is not waited for', async () => {
  const refused = new BerthError('Unavailable', 'nobody listens', {
    cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
  });
  const options = { client: { version: () => Promise.reject(refused) }, what: 'wait', tell: assert.fail };

  await assert.rejects(
    persist(options, () => Promise.reject(refused)),
    refused,
  );
});
