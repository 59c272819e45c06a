import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('what a process was started with does not go on to its children', () => {
  const program = fileURLToPath(new URL('../programs/keep-inherited.ts', import.meta.url));
  const said = execFileSync('bash', ['-c', 'exec "$0" "$1" 200</dev/null', process.execPath, program], {
    encoding: 'utf8',
  });
  assert.deepEqual(JSON.parse(said), [true, false]);
});
