import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/base/units.ts';

test('durations are read with their units, and a bare number is seconds', () => {
  const read = ['500ms', '10s', '1m30s', '2h', '7d', '10', '0.5', '1.5s'].map((text) => parseDuration(text, 'grace'));
  assert.deepEqual(read, [500, 10_000, 90_000, 7_200_000, 604_800_000, 10_000, 500, 1_500]);
});

test('sizes are read in powers of 1024', () => {
  const read = ['1048576', '512k', '64M', '1.5G', '64MiB', '1 gb'].map((text) => parseSize(text, 'memory'));
  assert.deepEqual(read, [1 << 20, 512 << 10, 64 << 20, 1.5 * 2 ** 30, 64 << 20, 2 ** 30]);
});

for (const text of ['', 'ten', '10x', '-5s', '5s later', '1m30']) {
  test(`"${text}" is no duration, and the message names the field`, () => {
    assert.throws(() => parseDuration(text, 'stop.grace'), { code: 'InvalidArgument', field: 'stop.grace' });
  });
}

for (const text of ['', 'much', '64X', '-1M']) {
  test(`"${text}" is no size, and the message names the field`, () => {
    assert.throws(() => parseSize(text, 'memory'), { code: 'InvalidArgument', field: 'memory' });
  });
}

test('people are shown durations and sizes that they can read', () => {
  assert.deepEqual([40, 1_234, 1_500, 10_000, 61_000, 7_260_000].map(formatDuration), [
    '40ms',
    '1.23s',
    '1.5s',
    '10s',
    '1m1s',
    '2h1m',
  ]);
  assert.deepEqual([500, 1_536, 64 << 20].map(formatSize), ['500 B', '1.5 KiB', '64.0 MiB']);
});
