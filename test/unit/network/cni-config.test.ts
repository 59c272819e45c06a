import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseList, parseSingle, writeList } from '../../../src/network/cni/config.ts';
import { readConfigFolder } from '../../../src/network/cni/folder-files.ts';
import type { FolderContent } from '../../../src/network/cni/folder-files.ts';

const list = (fields: object = {}): string =>
  JSON.stringify({ name: 'net', cniVersion: '1.0.0', plugins: [{ type: 'bridge' }], ...fields });

test('a list is read with its plugins, and what it says of them beside is kept', () => {
  const plugin = { type: 'portmap', capabilities: { portMappings: true, dns: false }, 'x.y/z': { deep: [1] } };
  const network = parseList(list({ plugins: [{ type: 'bridge' }, plugin], disableCheck: true }));
  assert.equal(network.name, 'net');
  assert.deepEqual(
    network.plugins.map(({ type }) => type),
    ['bridge', 'portmap'],
  );
  assert.deepEqual(network.plugins[1]?.config, plugin);
  assert.deepEqual([...(network.plugins[1]?.capabilities ?? [])], ['portMappings']);
  assert.equal(network.isCheckDisabled, true);
});

test('what is written of a list is read as the same list, whatever folder it is read in', () => {
  const network = parseList(list({ cniVersions: ['1.1.0'], disableGC: 'true' }), [{ type: 'extra' }]);
  assert.deepEqual(parseList(writeList(network), [{ type: 'another' }]), network);
});

test('a single plugin becomes a list of one', () => {
  const network = parseSingle('{"name":"net","cniVersion":"0.3.1","type":"bridge","bridge":"br0"}');
  assert.deepEqual([network.cniVersion, network.plugins.length, network.plugins[0]?.type], ['0.3.1', 1, 'bridge']);
});

for (const [version, versions, chosen] of [
  ['0.3.1', undefined, '0.3.1'],
  [undefined, undefined, '0.1.0'],
  ['0.4.0', ['1.0.0', '1.1.0'], '1.1.0'],
  ['1.0.0', ['0.3.1', '9.0.0'], '1.0.0'],
  ['9.0.0', ['0.3.1'], '0.3.1'],
  [undefined, ['1.1.0'], '1.1.0'],
] as const) {
  test(`of version ${version} and versions ${JSON.stringify(versions)}, ${chosen} is spoken`, () => {
    assert.equal(parseList(list({ cniVersion: version, cniVersions: versions })).cniVersion, chosen);
  });
}

for (const [what, text, message] of [
  ['no JSON', '{"name":', /^it is not JSON: /],
  ['no object', '[]', /^it is not a JSON object/],
  ['no name', list({ name: undefined }), /^"name" is missing/],
  ['a name that is a path', list({ name: '../net' }), /^"name" is "\.\.\/net": must begin with a letter or digit/],
  ['no plugins', list({ plugins: undefined }), /^"plugins" is empty/],
  ['an empty list', list({ plugins: [] }), /^"plugins" is empty/],
  ['plugins that are none', list({ plugins: {} }), /^"plugins" must be an array/],
  ['a plugin that is none', list({ plugins: ['bridge'] }), /^"plugins\[0\]" must be an object/],
  ['a plugin without a type', list({ plugins: [{}] }), /^"plugins\[0\]\.type" is missing/],
  ['a type in another folder', list({ plugins: [{ type: '../../bin/sh' }] }), /must be the name of a program/],
  [
    'a version from the future',
    list({ cniVersion: '9.0.0' }),
    /^"cniVersion" is 9\.0\.0: berth speaks 0\.1\.0 to 1\.1\.0/,
  ],
  ['a flag that is none', list({ disableCheck: 'maybe' }), /^"disableCheck" is "maybe": must be true or false/],
] as const) {
  test(`${what} is refused`, () => assert.throws(() => parseList(text), { code: 'InvalidArgument', message }));
}

test('a list in a file for a single plugin is refused with the right name', () => {
  assert.throws(() => parseSingle(list()), { message: /its name must end in "\.conflist"/ });
});

function folderWith(files: Readonly<Record<string, string>>): Promise<FolderContent> {
  const folder = mkdtempSync(join(tmpdir(), 'bnt-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return readConfigFolder(folder).finally(() => rmSync(folder, { recursive: true }));
}

test('the first file by name decides, whichever of the three endings it has', async () => {
  const content = await folderWith({
    '99-last.conflist': list({ name: 'last' }),
    '10-first.conf': '{"name":"first","type":"bridge"}',
    '05-none.txt': 'nothing',
    '00-folder.conf/x': '',
  });
  assert.ok(content.kind === 'network');
  assert.equal(content.network.name, 'first');
  assert.match(content.file, /10-first\.conf$/);
});

test('a first file that cannot be read is not passed over', async () => {
  const content = await folderWith({ '10-broken.conflist': '{', '20-good.conflist': list() });
  assert.ok(content.kind === 'broken');
  assert.match(content.file, /10-broken\.conflist$/);
  assert.match(content.why, /^it is not JSON/);
});

test('a file that is too large is not read', async () => {
  const content = await folderWith({ '10-large.conflist': list({ more: 'x'.repeat(2 << 20) }) });
  assert.ok(content.kind === 'broken');
  assert.match(content.why, /must have at most 2097152/);
});

test('plugins in a folder of the name of a list belong to it, unless it wants only its own', async () => {
  const extra = { 'net/20-b.conf': '{"type":"b"}', 'net/10-a.conf': '{"type":"a"}', 'net/readme': 'x' };
  const types = async (files: Readonly<Record<string, string>>): Promise<string[]> => {
    const content = await folderWith(files);
    assert.ok(content.kind === 'network');
    return content.network.plugins.map(({ type }) => type);
  };
  assert.deepEqual(await types({ '10.conflist': list(), ...extra }), ['bridge', 'a', 'b']);
  assert.deepEqual(await types({ '10.conflist': list({ loadOnlyInlinedPlugins: true }), ...extra }), ['bridge']);
});

test('an empty folder, none, and a file in its place have no configuration, and say why', async () => {
  assert.deepEqual(await folderWith({}), { kind: 'none', why: 'no file in it ends in .conflist, .conf or .json' });
  assert.deepEqual(await readConfigFolder('/nonexistent/net.d'), { kind: 'none', why: 'there is no such folder' });
  assert.deepEqual(await readConfigFolder('/etc/passwd'), { kind: 'none', why: 'it is not a folder' });
});
