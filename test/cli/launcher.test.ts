import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-launcher-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(file, args, { env, cwd: '/' }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A clone with nothing but the script, and one `node` in PATH that says what the test wants. */
function bareClone(t: TestContext, node: string | undefined): { script: string; env: NodeJS.ProcessEnv } {
  const folder = folderFor(t);
  const bin = join(folder, 'path');
  mkdirSync(bin);
  for (const tool of ['sh', 'dirname', 'readlink', 'uname', 'sed', 'id'])
    symlinkSync(`/usr/bin/${tool}`, join(bin, tool));
  if (node !== undefined) writeFileSync(join(bin, 'node'), node, { mode: 0o755 });
  copyFileSync(join(CLONE, 'berth'), join(folder, 'berth'));
  chmodSync(join(folder, 'berth'), 0o755);
  return { script: join(folder, 'berth'), env: { PATH: bin, HOME: folder } };
}

test('it works through links, from anywhere, with nothing in its environment but PATH', async (t) => {
  const folder = folderFor(t);
  symlinkSync(join(CLONE, 'berth'), join(folder, 'one'));
  symlinkSync('one', join(folder, 'two'));

  const { code, stdout } = await run(join(folder, 'two'), ['--version'], { PATH: '/usr/bin:/bin' });

  assert.equal(code, 0);
  assert.match(stdout, /^berth \d/);
});

test('without a Node.js that is new enough it says what to do', async (t) => {
  for (const node of [undefined, '#!/bin/sh\necho v25.9.0\n', '#!/bin/sh\nexit 127\n', '#!/bin/sh\necho nonsense\n']) {
    const { script, env } = bareClone(t, node);

    const { code, stderr } = await run(script, ['ps'], env);

    assert.equal(code, 1);
    assert.equal(stderr, 'berth: there is no Node.js 26 or newer here: run "npm start" in the clone to get one\n');
  }
});

test('a Node.js of the system that is new enough will do', async (t) => {
  const { script, env } = bareClone(t, '#!/bin/sh\n[ "$1" = --version ] && echo v26.1.0 && exit\necho "$@"\n');

  const { code, stdout } = await run(script, ['run', 'a b', '-x'], env);

  assert.equal(code, 0);
  assert.match(stdout, /^--\S+ --disable-warning=ExperimentalWarning -- \/\S+\/bin\/berth\.ts run a b -x\n$/);
});

test('compiled code is kept in a cache', async (t) => {
  const folder = folderFor(t);
  const cache = join(folder, 'cache');

  await run(join(CLONE, 'berth'), ['--version'], { PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: cache });

  assert.ok(existsSync(cache));
});
