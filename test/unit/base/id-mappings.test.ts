import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mappingLines, outsideOf, rootOf } from '../../../src/base/id-mappings.ts';

const RANGES = [
  { inside: 0, outside: 1_000, size: 10 },
  { inside: 100, outside: 5_000, size: 1 },
];

for (const [id, expected] of [
  [0, 1_000],
  [9, 1_009],
  [10, undefined],
  [99, undefined],
  [100, 5_000],
  [101, undefined],
] as const) {
  test(`id ${id} of a namespace is ${expected ?? 'nobody'} to the host`, () =>
    assert.equal(outsideOf(RANGES, id), expected));
}

test('root of a namespace that has none is nobody', () => {
  assert.deepEqual(rootOf({ uids: RANGES, gids: [] }), { uid: 1_000, gid: 65_534 });
});

test('the kernel is told each range on a line of its own', () => {
  assert.equal(mappingLines(RANGES), '0 1000 10\n100 5000 1\n');
});
