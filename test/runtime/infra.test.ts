import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findInit } from '../../src/runtime/infra.ts';

test('the init is found by its name, or where it is said to be', async () => {
  const path = await findInit('catatonit');
  assert.match(path, /^\/.+\/catatonit$/);
  assert.equal(await findInit(path), path);
});

test('an init that is not there, is no program or needs libraries is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bin-'));
  try {
    writeFileSync(`${folder}/script`, '#!/bin/sh\n', { mode: 0o755 });
    copyFileSync(process.execPath, `${folder}/dynamic`);
    chmodSync(`${folder}/dynamic`, 0o755);
    for (const [path, message] of [
      [`${folder}/nothing`, /there is no such program/],
      ['no-such-init', /it is in none of/],
      [`${folder}/script`, /no statically linked program/],
      [`${folder}/dynamic`, /no statically linked program/],
    ] as const) {
      await assert.rejects(findInit(path), { code: 'Unavailable', message });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
