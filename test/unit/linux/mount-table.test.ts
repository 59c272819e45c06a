import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountPointsBelow } from '../../../src/linux/mount-table.ts';

/** Lines of mountinfo: id, parent, place. */
function table(...mounts: readonly (readonly [number, number, string])[]): string {
  return mounts.map(([id, parent, point]) => `${id} ${parent} 0:1 / ${point} rw - tmpfs none rw\n`).join('');
}

const ROOT = [1, 0, '/'] as const;

test('what is mounted below a folder is told, the outer ones first', () => {
  const mounts = table(ROOT, [2, 1, '/a'], [4, 3, '/a/b/c'], [3, 2, '/a/b'], [5, 1, '/other'], [6, 1, '/ab']);
  assert.deepEqual(mountPointsBelow('/a', mounts), ['/a/b', '/a/b/c']);
  assert.deepEqual(mountPointsBelow('/', mounts), ['/a', '/other', '/ab', '/a/b', '/a/b/c']);
  assert.deepEqual(mountPointsBelow('/a/b/c', mounts), []);
});

test('what something else was mounted over cannot be seen', () => {
  const mounts = table(ROOT, [2, 1, '/a/b'], [3, 1, '/a'], [4, 3, '/a/new']);
  assert.deepEqual(mountPointsBelow('/', mounts), ['/a', '/a/new']);
});

test('two at one place are one', () => {
  const mounts = table(ROOT, [2, 1, '/a'], [3, 2, '/a'], [4, 3, '/a/b']);
  assert.deepEqual(mountPointsBelow('/', mounts), ['/a', '/a/b']);
});

test('a place with a blank in its name is called by that', () => {
  assert.deepEqual(mountPointsBelow('/a', table(ROOT, [2, 1, '/a/b\\040c\\134d'])), ['/a/b c\\d']);
});
