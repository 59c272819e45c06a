import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTar } from '../../src/images/tar-reader.ts';
import { tarOf, tarWithoutEnd } from '../support/tar.ts';
import { inChunks } from './store.ts';

interface Read {
  readonly name: string;
  readonly kind: string;
  readonly content: string;
}

async function readAll(tar: Buffer, chunkBytes = 700): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const { name, kind, content } of readTar(inChunks(tar, chunkBytes))) {
    const chunks = await Array.fromAsync(content);
    entries.push({ name, kind, content: Buffer.concat(chunks).toString() });
  }
  return entries;
}

/** What GNU tar writes for a folder with two files in it. */
function gnuTar(format: string, longName: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'berth-tar-'));
  writeFileSync(join(folder, longName), 'long');
  writeFileSync(join(folder, 'zzz'), 'short');
  const tar = execFileSync('tar', ['-cf', '-', `--format=${format}`, '-C', folder, longName, 'zzz']);
  rmSync(folder, { recursive: true });
  return tar;
}

test('entries of every kind are told with their names and contents', async () => {
  const tar = tarOf([
    { name: './folder/' },
    { name: '/folder/file', content: 'a'.repeat(2_000) },
    { name: 'empty', content: '' },
    { name: 'soft', type: 'symlink', link: 'folder/file' },
    { name: 'hard', type: 'link', link: 'folder/file' },
    { name: 'device', type: 'char' },
  ]);

  const entries = await readAll(tar);

  assert.deepEqual(entries, [
    { name: 'folder', kind: 'folder', content: '' },
    { name: 'folder/file', kind: 'file', content: 'a'.repeat(2_000) },
    { name: 'empty', kind: 'file', content: '' },
    { name: 'soft', kind: 'symlink', content: '' },
    { name: 'hard', kind: 'hardlink', content: '' },
    { name: 'device', kind: 'other', content: '' },
  ]);
});

for (const format of ['gnu', 'pax', 'oldgnu', 'posix']) {
  test(`long names of the ${format} format are read`, async () => {
    const name = 'n'.repeat(200);

    const entries = await readAll(gnuTar(format, name));

    assert.deepEqual(entries, [
      { name, kind: 'file', content: 'long' },
      { name: 'zzz', kind: 'file', content: 'short' },
    ]);
  });
}

test('the content that nobody read is stepped over', async () => {
  const names: string[] = [];
  for await (const { name } of readTar(inChunks(tarOf([{ name: 'a', content: 'x'.repeat(5_000) }, { name: 'b' }])))) {
    names.push(name);
  }

  assert.deepEqual(names, ['a', 'b']);
});

test('an archive without its empty blocks at the end is whole', async () => {
  assert.equal((await readAll(tarWithoutEnd([{ name: 'a', content: 'x' }]))).length, 1);
});

test('the source is read to its end, past the end of the archive', async () => {
  let read = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of inChunks(Buffer.concat([tarOf([{ name: 'a' }]), Buffer.alloc(100_000, 1)]))) {
      read += chunk.length;
      yield chunk;
    }
  }

  await Array.fromAsync(readTar(counted()));

  assert.equal(read, 100_000 + 3 * 512);
});

for (const [what, tar] of [
  ['a header', tarOf([{ name: 'a' }]).subarray(0, 300)],
  ['content', tarOf([{ name: 'a', content: 'x'.repeat(5_000) }]).subarray(0, 3_000)],
  ['an extended header', tarOf([{ name: 'n'.repeat(300) }]).subarray(0, 700)],
] as const) {
  test(`an archive that is cut off within ${what} is refused`, async () => {
    await assert.rejects(readAll(tar), { code: 'InvalidArgument', message: /cut off/ });
  });
}

for (const [what, tar] of [
  ['text', Buffer.from('hello '.repeat(500))],
  ['a wrong sum', Buffer.concat([tarOf([{ name: 'a' }]).fill('b', 0, 1)])],
  ['a negative size', tarOf([{ name: 'a', pax: { size: '-1' } }])],
  ['an endless header', tarOf([{ name: 'a', pax: { comment: Buffer.alloc(2 << 20) } }])],
  ['a record of no length', tarOf([{ name: 'a', type: 'file', pax: { path: 'x' } }]).fill('0', 512, 514)],
] as const) {
  test(`an archive with ${what} is refused`, async () => {
    await assert.rejects(readAll(tar), { code: 'InvalidArgument' });
  });
}

for (const type of ['0', '5', 'g', 'x', 'L', 'K', 'S']) {
  test(`a size that is negative, in a header of type ${type}, is refused`, async () => {
    const block = Buffer.from(tarOf([{ name: 'file', content: '' }]).subarray(0, 512));
    block.write('-0001000\0', 124, 'latin1');
    block.write(type, 156, 'latin1');
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');

    await assert.rejects(readAll(Buffer.concat([block, Buffer.alloc(1_024)])), { code: 'InvalidArgument' });
  });
}
