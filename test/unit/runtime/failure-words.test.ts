import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOfFailure } from '../../../src/runtime/failure-words.ts';

const WORDS: readonly (readonly [words: string, code: number, version: string])[] = [
  ['executable file `no-such` not found in $PATH: No such file or directory', 127, '1.8.1'],
  ['executable file `/no/such` not found: No such file or directory', 127, '1.21'],
  ['open executable: No such file or directory', 127, '1.8.1'],
  ['open executable: Permission denied', 126, '1.8.1'],
  ['open executable: Operation not permitted', 126, '1.8.1'],
  ['the path `/etc` is not a regular file: Operation not permitted', 126, '1.21'],
  ['the path `/etc/passwd` exists but it is not executable: Operation not permitted', 126, '1.21'],
  ['mount `proc` to `proc`: Operation not permitted', 128, '1.8.1'],
  ['read from sync socket', 128, '1.8.1'],
];

for (const [words, code, version] of WORDS) {
  test(`crun ${version}: "${words}" is ${code}`, () => assert.equal(codeOfFailure(words), code));
}
