import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { FakeRegistry, fail, sendBlob } from '../support/fake-registry.ts';
import { idOf, pushedImage } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { registryEntry } from '../support/registry-settings.ts';
import { NOTHING, openStore } from './store.ts';

const APP: TestImage = { layers: [{ a: 'x' }, { b: 'x' }] };
/** Where nobody answers, at once. */
const NOBODY = '127.0.0.1:1';

/** A folder in containerd's layout: registry → the text of its hosts.toml. */
function makeHostsFolder(files: Readonly<Record<string, string>>): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'berth-certs-d-'));
  for (const [registry, text] of Object.entries(files)) {
    mkdirSync(`${path}/${registry}`);
    writeFileSync(`${path}/${registry}/hosts.toml`, text);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('images of other registries come from a mirror, under the names that they were asked for by', async () => {
  await using mirror = await startDockerRegistry();
  const mirrors = [`http://${mirror.host}`];
  const hosts = ['registry.k8s.io', 'k8s.gcr.io', 'docker.io'];
  const registries = Object.fromEntries(hosts.map((host) => [host, registryEntry({ mirrors, mirrorsOnly: true })]));
  await using store = await openStore({ registries: { registries } });
  const digest = await mirror.push('pause', '3.9', APP);
  await mirror.push('library/busybox', 'latest', APP);

  await store.pull('registry.k8s.io/pause:3.9');
  await store.pull('k8s.gcr.io/pause:3.9');
  const image = await store.pull('busybox');

  assert.equal(image.id, idOf(APP));
  assert.deepEqual(store.images.find(image.id).names, [
    'registry.k8s.io/pause:3.9',
    'k8s.gcr.io/pause:3.9',
    'docker.io/library/busybox:latest',
  ]);
  assert.deepEqual(store.images.find(image.id).digests, [
    `registry.k8s.io/pause@${digest}`,
    `k8s.gcr.io/pause@${digest}`,
    `docker.io/library/busybox@${digest}`,
  ]);
});

test('a mirror is told which registry is meant, and may have a path of its own', async () => {
  await using mirror = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [`${mirror.host}/proxy/hub`], mirrorsOnly: true });
  await using store = await openStore({ registries: { registries: { 'example.org:5000': entry } } });
  mirror.push('team/app', '1', APP);

  await store.pull('example.org:5000/team/app:1');

  for (const { url } of mirror.asked) {
    assert.match(url, /^\/proxy\/hub\/v2\/team\/app\/(manifests|blobs)\/[^/]+\?ns=example\.org%3A5000$/);
  }
});

test('a registry is asked when its mirrors cannot help, each thing at the first that has it', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [NOBODY, mirror.host] });
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  registry.push('app', '1', APP);
  mirror.push('app', 'other tag', APP);
  const [layer = ''] = pushedImage(APP).layers;
  mirror.behave = ({ name }, response) => name === layer && fail(response, 500);

  await store.pull(`${registry.host}/app:1`);

  assert.deepEqual(
    registry.asked.map(({ method, name }) => `${method} ${name === layer ? 'layer' : name}`),
    ['HEAD 1', 'GET layer'],
  );
});

test('when nobody can help, the reasons of all are told', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [NOBODY, mirror.host] });
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  registry.behave = (_, response) => fail(response, 503, 'X', 'busy');

  const pulling = store.pull(`${registry.host}/app:1`);

  await assert.rejects(pulling, {
    code: 'Unavailable',
    message:
      `Cannot pull "${registry.host}/app:1": ${NOBODY} cannot be reached: ECONNREFUSED; ` +
      `${mirror.host} does not have it; ${registry.host} answers 503 Service Unavailable, 4 times`,
  });
  assert.equal(registry.asked.length, 4);
  assert.equal(mirror.asked.length, 1, 'what it does not have it will not have a moment later');
});

test('a mirror with damaged blobs is passed over', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [mirror.host] });
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  registry.push('app', '1', APP);
  mirror.push('app', '1', APP);
  mirror.behave = (asked, response) => asked.kind === 'blobs' && sendBlob(asked, response, Buffer.alloc(2_048));

  const image = await store.pull(`${registry.host}/app:1`);

  assert.equal(image.id, idOf(APP));
  assert.equal(registry.count('GET', 'blobs'), 3);
});

test('a mirror that dies in the middle of a blob is helped out by the registry', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [mirror.host] });
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  const image: TestImage = { layers: [{ a: 'x'.repeat(200_000) }] };
  const [layer = ''] = pushedImage(image).layers;
  const blob = pushedImage(image).blobs.get(layer) ?? Buffer.alloc(0);
  registry.push('app', '1', image);
  mirror.push('app', '1', image);
  mirror.behave = ({ name, headers }, response) => {
    if (name !== layer) return false;
    if (headers.range !== undefined) return fail(response, 404);
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
    return true;
  };

  await store.pull(`${registry.host}/app:1`);

  assert.deepEqual(
    registry.asked.map(({ headers }) => headers.range),
    ['bytes=100000-'],
  );
});

test('a mirror that sends nothing of its blobs is helped out by the registry, and told of when that cannot help', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const entry = registryEntry({ mirrors: [mirror.host] });
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  for (const each of [mirror, registry]) each.push('app', '1', APP);
  mirror.behave = ({ kind }, response) => {
    if (kind !== 'blobs') return false;
    response.writeHead(200, { 'content-length': 2_048 }).flushHeaders();
    setTimeout(() => response.destroy(), 5);
    return true;
  };
  registry.behave = ({ kind }, response) => kind === 'blobs' && fail(response, 404);

  await assert.rejects(store.pull(`${registry.host}/app:1`), {
    code: 'Unavailable',
    message: new RegExp(`after 0 of \\d+ bytes ${mirror.host} cuts the connection$`),
  });
  assert.deepEqual(store.census(), NOTHING);
  registry.behave = () => false;
  await store.pull(`${registry.host}/app:1`);
});

test('an address of a mirror that is none is told of when the daemon starts', async () => {
  const registries = { 'docker.io': registryEntry({ mirrors: ['ftp://me:s3cr3t@mirror'] }) };

  await assert.rejects(openStore({ registries: { registries } }), {
    code: 'InvalidArgument',
    message: 'Cannot read registry server "ftp://…@mirror": must be a host, or like https://host:port/path',
  });
});

test('hosts.toml names mirrors, and each is asked only for what it can do', async () => {
  await using puller = await FakeRegistry.open();
  await using resolver = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  using hosts = makeHostsFolder({
    [registry.host]: `
      server = "http://${registry.host}"
      [host."http://${puller.host}"]
      capabilities = ["pull"]
      [host."http://${puller.host}".header]
      x-mirror = "mine"
      [host."http://${resolver.host}"]
      capabilities = ["resolve"]
    `,
  });
  await using store = await openStore({ registries: { configPaths: ['/nowhere', hosts.path] } });
  for (const each of [puller, resolver, registry]) each.push('app', '1', APP);

  await store.pull(`${registry.host}/app:1`);

  assert.deepEqual(
    resolver.asked.map(({ method, name }) => [method, name]),
    [['HEAD', '1']],
  );
  assert.equal(puller.count('HEAD', 'manifests'), 0);
  assert.equal(puller.count('GET', 'manifests'), 1);
  assert.equal(puller.count('GET', 'blobs'), 3);
  for (const { headers } of puller.asked) assert.equal(headers['x-mirror'], 'mine');
  for (const { headers } of [...resolver.asked, ...registry.asked]) assert.equal(headers['x-mirror'], undefined);
  assert.equal(registry.asked.length, 0);
});

test('a hosts.toml for all registries is for those that have none of their own', async () => {
  await using mirror = await FakeRegistry.open();
  using hosts = makeHostsFolder({
    _default: `server = "http://${mirror.host}"`,
    'own.example_5000_': `server = "http://${mirror.host}/own"\noverride_path = true`,
  });
  await using store = await openStore({ registries: { configPaths: [hosts.path] } });
  mirror.push('app', '1', APP);

  await store.pull('any.example/app:1');
  await assert.rejects(store.pull('own.example:5000/other:1'), { code: 'NotFound' });

  assert.equal(mirror.asked[0]?.url, '/v2/app/manifests/1?ns=any.example');
  assert.equal(mirror.asked.at(-1)?.url, '/own/other/manifests/1?ns=own.example%3A5000');
});

test('a change of hosts.toml counts from the next pull on', async () => {
  await using mirror = await FakeRegistry.open();
  using hosts = makeHostsFolder({ 'example.org': `server = "http://${NOBODY}"` });
  await using store = await openStore({ registries: { configPaths: [hosts.path] } });
  mirror.push('app', '1', APP);
  await assert.rejects(store.pull('example.org/app:1'), { code: 'Unavailable' });

  writeFileSync(`${hosts.path}/example.org/hosts.toml`, `server = "http://${mirror.host}"`);

  await store.pull('example.org/app:1');
});

test('a table of the configuration goes before a hosts.toml', async () => {
  await using mirror = await FakeRegistry.open();
  using hosts = makeHostsFolder({ 'example.org': `server = "http://${NOBODY}"` });
  const registries = { 'example.org': registryEntry({ mirrors: [mirror.host], mirrorsOnly: true }) };
  await using store = await openStore({ registries: { configPaths: [hosts.path], registries } });
  mirror.push('app', '1', APP);

  await store.pull('example.org/app:1');
});

for (const [what, text, message] of [
  ['is no TOML', 'server = ', /Cannot read \/.*example.org\/hosts.toml: /],
  ['has a server that is none', 'server = "ftp://x"', /hosts\.toml: Cannot read registry server "ftp:\/\/x"/],
  ['has a value of another kind', 'skip_verify = "yes"', /hosts\.toml: "skip_verify" is "yes": must be boolean/],
  ['has a time that is none', 'dial_timeout = "soon"', /hosts\.toml: Cannot read dial_timeout "soon"/],
] as const) {
  test(`a hosts.toml that ${what} fails the pull, and nobody else is asked`, async () => {
    using hosts = makeHostsFolder({ 'example.org': text });
    await using store = await openStore({ registries: { configPaths: [hosts.path] } });

    await assert.rejects(store.pull('example.org/app:1'), { code: 'InvalidArgument', message });

    assert.deepEqual(store.census(), NOTHING);
  });
}

test('keys of a hosts.toml that nobody knows are passed over', async () => {
  await using mirror = await FakeRegistry.open();
  using hosts = makeHostsFolder({ 'example.org': `server = "http://${mirror.host}"\nfuture = { a = 1 }` });
  await using store = await openStore({ registries: { configPaths: [hosts.path] } });
  mirror.push('app', '1', APP);

  await store.pull('example.org/app:1');
});

test('when no server may say what a tag means, that is told', async () => {
  using hosts = makeHostsFolder({ 'example.org': `server = "http://${NOBODY}"\ncapabilities = ["pull"]` });
  await using store = await openStore({ registries: { configPaths: [hosts.path] } });

  await assert.rejects(store.pull('example.org/app:1'), {
    code: 'Unavailable',
    message: 'Cannot pull "example.org/app:1": no server is configured that may be asked',
  });
});
