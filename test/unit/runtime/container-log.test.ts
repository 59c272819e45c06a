import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LogQuery } from '../../../src/engine/ports.ts';
import { readLog } from '../../../src/runtime/container-log.ts';

function makeLog(text: string): { readonly path: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'berth-log-'));
  const path = join(folder, 'container.log');
  writeFileSync(path, text);
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

async function textsOf(path: string, query: LogQuery = {}): Promise<string[]> {
  const texts: string[] = [];
  for await (const { data } of readLog(path, query)) texts.push(Buffer.from(data).toString('latin1'));
  return texts;
}

const record = (second: number, text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000+00:00 ${stream} ${tag} ${text}\n`;

test('records are read with time, stream, and whether the line goes on', async () => {
  using log = makeLog(record(1, 'one') + record(2, 'tw', 'P') + record(2, 'o') + record(3, 'oops', 'F', 'stderr'));
  const lines = [];
  for await (const line of readLog(log.path, {})) lines.push(line);
  assert.deepEqual(
    lines.map(({ stream, isPartial, data }) => [stream, isPartial, Buffer.from(data).toString()]),
    [
      ['stdout', false, 'one'],
      ['stdout', true, 'tw'],
      ['stdout', false, 'o'],
      ['stderr', false, 'oops'],
    ],
  );
});

test('bytes that are no text come through unchanged, and empty lines too', async () => {
  using log = makeLog('');
  writeFileSync(
    log.path,
    Buffer.concat([
      Buffer.from('2026-01-01T00:00:01.0+00:00 stdout F '),
      Buffer.from([0xff, 0x00, 0x1b]),
      Buffer.from(`\n${record(2, '')}`),
    ]),
  );
  assert.deepEqual(await textsOf(log.path), ['\xff\x00\x1b', '']);
});

test('the last lines are counted as lines, however many records they have', async () => {
  const long = record(2, 'a', 'P').repeat(2_000) + record(2, 'z');
  using log = makeLog(record(1, 'first') + long + record(3, 'last'));
  assert.deepEqual(await textsOf(log.path, { tail: 1 }), ['last']);
  assert.equal((await textsOf(log.path, { tail: 2 })).length, 2_002);
  assert.equal((await textsOf(log.path, { tail: 3 }))[0], 'first');
  assert.equal((await textsOf(log.path, { tail: 99 }))[0], 'first');
  assert.deepEqual(await textsOf(log.path, { tail: 0 }), []);
});

test('only what is not older than asked for is read', async () => {
  using log = makeLog([1, 2, 3].map((second) => record(second, String(second))).join(''));
  assert.deepEqual(await textsOf(log.path, { since: Date.parse('2026-01-01T00:00:02Z') }), ['2', '3']);
});

test('a follower reads what is written later, to the end, also what comes with the end', async () => {
  using log = makeLog(record(1, 'one'));
  const over = Promise.withResolvers<void>();
  const seen: string[] = [];
  for await (const { data } of readLog(log.path, { follow: over.promise })) {
    seen.push(Buffer.from(data).toString());
    if (seen.length === 1) appendFileSync(log.path, record(2, 'tw', 'P'));
    if (seen.length === 2) {
      appendFileSync(log.path, record(2, 'o') + record(3, 'three'));
      over.resolve();
    }
  }
  assert.deepEqual(seen, ['one', 'tw', 'o', 'three']);
});

test('a log that is not there has no lines', async () => {
  assert.deepEqual(await textsOf('/nowhere/container.log'), []);
});

test('a follower that is aborted ends', async () => {
  using log = makeLog(record(1, 'one'));
  const gone = new AbortController();
  const seen = [];
  for await (const line of readLog(log.path, { follow: new Promise(() => undefined), signal: gone.signal })) {
    seen.push(line);
    setImmediate(() => gone.abort());
  }
  assert.equal(seen.length, 1);
});
