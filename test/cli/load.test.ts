import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BerthError } from '../../src/base/errors.ts';
import type { Image, ImportRequest } from '../../src/engine/ports.ts';
import { testImage } from '../fakes/fake-images.ts';
import { berth } from './support/berth.ts';
import { Served } from './support/serve.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-load-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An engine that takes everything, and tells of it in two steps. */
function taking(received: { bytes: Buffer; name?: string | undefined }[]) {
  return async ({ content, name, onProgress }: ImportRequest): Promise<readonly Image[]> => {
    const chunks: Uint8Array[] = [];
    onProgress({ step: 'receiving', bytes: 0 });
    for await (const chunk of content) chunks.push(chunk);
    onProgress({ step: 'layer', bytes: 5, layer: 'sha256:1\x1b' });
    onProgress({ step: 'layer', bytes: 9, layer: 'sha256:1\x1b' });
    received.push({ bytes: Buffer.concat(chunks), name });
    return [testImage, { ...testImage, id: 'sha256:2', names: [] }];
  };
}

test('a file is sent as it is; names go to stdout, the steps to stderr', async (t) => {
  const received: { bytes: Buffer; name?: string | undefined }[] = [];
  await using served = await Served.open({ importImages: taking(received) });
  const bytes = randomBytes(3_000_000);
  const file = join(folderFor(t), 'image.tar');
  writeFileSync(file, bytes);

  const { code, stdout, stderr } = await berth(['load', '--name', 'web:1', file], served);

  assert.equal(code, 0);
  assert.deepEqual(received, [{ bytes, name: 'web:1' }]);
  assert.equal(stdout.toString(), 'docker.io/library/test:latest\nsha256:2\n');
  assert.equal(stderr, 'receiving\nlayer sha256:1\\x1b\n');
});

test('standard input is sent as it is', async () => {
  const received: { bytes: Buffer; name?: string | undefined }[] = [];
  await using served = await Served.open({ importImages: taking(received) });
  const input = randomBytes(500_000);

  const { code } = await berth(['load', '-'], { socket: served.socket, input });

  assert.equal(code, 0);
  assert.deepEqual(received, [{ bytes: input, name: undefined }]);
});

test('a folder is sent as a tar of what is in it', async (t) => {
  const received: { bytes: Buffer; name?: string | undefined }[] = [];
  await using served = await Served.open({ importImages: taking(received) });
  const folder = folderFor(t);
  mkdirSync(join(folder, 'etc'));
  writeFileSync(join(folder, 'etc/motd'), 'hello');

  const { code } = await berth(['load', '--name', 'root', folder], served);

  assert.equal(code, 0);
  const list = execFileSync('tar', ['-tf', '-'], { input: received[0]?.bytes, encoding: 'utf8' });
  assert.deepEqual(list.trimEnd().split('\n').toSorted(), ['./', './etc/', './etc/motd']);
});

test('an archive that is refused in the middle of it is told as the daemon says it', async () => {
  const importImages = async ({ content }: ImportRequest): Promise<never> => {
    for await (const _ of content) throw new BerthError('InvalidArgument', 'Cannot import it: it is no tar');
    throw new Error('never');
  };
  await using served = await Served.open({ importImages });

  const outcomes = await Promise.all(
    Array.from({ length: 5 }, () => berth(['load'], { socket: served.socket, input: Buffer.alloc(8_000_000) })),
  );

  for (const { code, stderr } of outcomes) {
    assert.equal(stderr, 'berth: Cannot import it: it is no tar\n');
    assert.equal(code, 2);
  }
});

test('what is not there, or cannot be read, is one line, and nothing is taken in', async (t) => {
  let wasTaken = false;
  const importImages = async ({ content, signal }: ImportRequest): Promise<readonly Image[]> => {
    for await (const _ of content) signal.throwIfAborted();
    wasTaken = true;
    return [];
  };
  await using served = await Served.open({ importImages });
  const folder = folderFor(t);
  writeFileSync(join(folder, 'tar'), '#!/bin/sh\nhead -c 300000 /dev/zero; echo "tar: no space" >&2; exit 2\n', {
    mode: 0o755,
  });

  const missing = await berth(['load', '/nonexistent'], served);
  const failing = await berth(['load', folder], {
    socket: served.socket,
    env: { PATH: `${folder}:${process.env['PATH'] ?? ''}` },
  });

  assert.equal(missing.stderr, 'berth: Cannot load "/nonexistent": there is no such file or folder\n');
  assert.equal(missing.code, 1);
  assert.equal(failing.stderr, 'berth: Cannot read the archive: tar failed: tar: no space\n');
  assert.equal(failing.code, 2);
  assert.equal(wasTaken, false);
});
