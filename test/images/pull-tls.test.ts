import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { makeCertificates, read } from '../support/certificates.ts';
import { ConnectProxy } from '../support/connect-proxy.ts';
import { FakeRegistry, fail, sendBlob } from '../support/fake-registry.ts';
import { pushedImage } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { registryEntry } from '../support/registry-settings.ts';
import { openStore } from './store.ts';

const APP: TestImage = { layers: [{ a: 'x' }, { b: 'x' }] };
const TLS = registryEntry({ plainHttp: false });

function hostsFolder(registry: string): { readonly path: string; readonly own: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'berth-certs-d-'));
  const own = `${path}/${registry}`;
  mkdirSync(own);
  return { path, own, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('a registry whose certificate nobody vouches for is not trusted, unless that is wanted', async () => {
  using certificates = makeCertificates();
  await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
  registry.push('app', '1', APP);
  const name = `${registry.host}/app:1`;
  await using careful = await openStore({ registries: { registries: { [registry.host]: TLS } } });
  const skipping = { [registry.host]: { ...TLS, skipVerify: true } };
  await using careless = await openStore({ registries: { registries: skipping } });

  await assert.rejects(careful.pull(name), { code: 'Unavailable', message: /has a certificate that is not trusted: / });
  assert.equal(registry.asked.length, 0);
  await careless.pull(name);
});

for (const [what, settings] of [
  ['the configuration', (ca: string, host: string) => ({ registries: { [host]: { ...TLS, ca: [ca] } } })],
  ['SSL_CERT_FILE', (ca: string, host: string) => ({ registries: { [host]: TLS }, env: { SSL_CERT_FILE: ca } })],
  [
    'NODE_EXTRA_CA_CERTS',
    (ca: string, host: string) => ({ registries: { [host]: TLS }, env: { NODE_EXTRA_CA_CERTS: ca } }),
  ],
] as const) {
  test(`an authority that ${what} names is trusted`, async () => {
    using certificates = makeCertificates();
    await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
    registry.push('app', '1', APP);
    await using store = await openStore({ registries: settings(certificates.ca, registry.host) });

    await store.pull(`${registry.host}/app:1`);
  });
}

test('a registry is shown the client certificate of its hosts.toml, with paths beside that', async () => {
  using certificates = makeCertificates();
  const { ca, client, server } = certificates;
  const tls = { ...read(server), ca: read({ cert: ca, key: ca }).cert, requestCert: true, rejectUnauthorized: true };
  await using registry = await FakeRegistry.open({ tls });
  registry.push('app', '1', APP);
  using hosts = hostsFolder(registry.host);
  for (const [from, to] of [
    [ca, 'ca.pem'],
    [client.cert, 'me.pem'],
    [client.key, 'me.key'],
  ] as const) {
    copyFileSync(from, `${hosts.own}/${to}`);
  }
  const lines = [`server = "https://${registry.host}"`, 'ca = "ca.pem"', 'client = [["me.pem", "me.key"]]'];
  writeFileSync(`${hosts.own}/hosts.toml`, lines.join('\n'));
  await using store = await openStore({ registries: { configPaths: [hosts.path] } });

  await store.pull(`${registry.host}/app:1`);
});

test("certificates in Docker's layout are found as well", async () => {
  using certificates = makeCertificates();
  const { ca, client, server } = certificates;
  const tls = { ...read(server), ca: read({ cert: ca, key: ca }).cert, requestCert: true, rejectUnauthorized: true };
  await using registry = await FakeRegistry.open({ tls, host: '127.0.0.1' });
  registry.push('app', '1', APP);
  using hosts = hostsFolder('registry.test_443_');
  copyFileSync(ca, `${hosts.own}/authority.crt`);
  copyFileSync(client.cert, `${hosts.own}/client.cert`);
  copyFileSync(client.key, `${hosts.own}/client.key`);
  // Only the proxy knows where this host is; its certificate is for another one, so the reason to refuse it is that.
  await using proxy = await ConnectProxy.open(registry.port);
  const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` };
  await using store = await openStore({ registries: { configPaths: [hosts.path], env } });

  await assert.rejects(store.pull('registry.test:443/app:1'), {
    code: 'Unavailable',
    message: /not trusted: Hostname\/IP does not match certificate's altnames/,
  });
});

test('a file of certificates that is not there, or holds none, is told of', async () => {
  using certificates = makeCertificates();
  await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
  const entry = { ...TLS, ca: [`${certificates.folder}/nothing.pem`] };
  await using missing = await openStore({ registries: { registries: { [registry.host]: entry } } });
  const keyed = { ...TLS, clientCert: certificates.client.cert, clientKey: certificates.server.key };
  await using wrong = await openStore({ registries: { registries: { [registry.host]: keyed } } });

  await assert.rejects(missing.pull(`${registry.host}/app:1`), {
    code: 'Unavailable',
    message: /Cannot read the certificates in ".*nothing\.pem"/,
  });
  await assert.rejects(wrong.pull(`${registry.host}/app:1`), {
    code: 'Unavailable',
    message: /Cannot use the certificates in ".*client\.pem", ".*server\.key": /,
  });
});

test('a registry that speaks no TLS is told of, with what to do', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore({ registries: { registries: { [registry.host]: TLS } } });

  await assert.rejects(store.pull(`${registry.host}/app:1`), {
    code: 'Unavailable',
    message: /does not speak TLS: if it is to be asked over plain HTTP, say plain_http = true in the configuration$/,
  });
});

test('a manifest is not taken from where a registry redirects without TLS, a blob with the right digest is', async () => {
  using certificates = makeCertificates();
  await using plain = await FakeRegistry.open();
  await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
  const entry = { ...TLS, ca: [certificates.ca] };
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  registry.push('app', '1', APP);
  plain.push('app', '1', APP);
  registry.behave = ({ url, name }, response) => {
    if (name === '2') response.writeHead(302, { location: `http://${plain.host}${url.replace('/2', '/1')}` }).end();
    if (url.includes('/blobs/')) response.writeHead(302, { location: `http://${plain.host}${url}` }).end();
    return name === '2' || url.includes('/blobs/');
  };

  await assert.rejects(store.pull(`${registry.host}/app:2`), {
    code: 'Unavailable',
    message: /redirects from TLS to plain HTTP, where anybody could answer$/,
  });
  await store.pull(`${registry.host}/app:1`);

  assert.equal(plain.count('HEAD', 'manifests'), 0);
  assert.equal(plain.count('GET', 'blobs'), 3);
});

test('a password for a registry with TLS is not sent to a token server without', async () => {
  using certificates = makeCertificates();
  await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
  const entry = { ...TLS, ca: [certificates.ca] };
  await using store = await openStore({ registries: { registries: { [registry.host]: entry } } });
  registry.behave = (_, response) =>
    fail(response, 401, 'X', '', { 'www-authenticate': 'Bearer realm="http://tokens.example/token"' });

  const pulling = store.pull(`${registry.host}/app:1`, {
    auth: { kind: 'basic', username: 'ann', password: 's3cr3t' },
  });

  await assert.rejects(pulling, {
    code: 'PermissionDenied',
    message: /wants the credentials sent to tokens\.example without encryption$/,
  });
});

test('a registry is reached through the proxy of the environment, blobs that are elsewhere too', async () => {
  using certificates = makeCertificates();
  await using registry = await FakeRegistry.open({ tls: read(certificates.server) });
  await using proxy = await ConnectProxy.open(registry.port);
  registry.push('app', '1', APP);
  const { blobs } = pushedImage(APP);
  registry.behave = (asked, response) => {
    const { url, kind, name } = asked;
    if (kind === 'blobs') response.writeHead(307, { location: `https://cdn.test/${name}` }).end();
    const blob = blobs.get(url.slice(1));
    return kind === 'blobs' || (blob !== undefined && sendBlob(asked, response, blob));
  };
  const env = { HTTPS_PROXY: `http://me:s3cr3t@127.0.0.1:${proxy.port}` };
  const registries = { 'registry.test': registryEntry({ skipVerify: true }) };
  await using store = await openStore({ registries: { registries, env } });

  await store.pull('registry.test/app:1');

  const asked = new Set(proxy.asked.map(({ what }) => what));
  assert.deepEqual(asked, new Set(['CONNECT registry.test:443', 'CONNECT cdn.test:443']));
  const header = `Basic ${Buffer.from('me:s3cr3t').toString('base64')}`;
  for (const { authorization } of proxy.asked) assert.equal(authorization, header);
});

test('a registry without TLS is reached through the other proxy, unless the environment excludes it', async () => {
  await using registry = await FakeRegistry.open();
  await using proxy = await ConnectProxy.open(registry.port);
  registry.push('app', '1', APP);
  const registries = { 'registry.test': registryEntry({ plainHttp: true }) };
  const env = { http_proxy: `127.0.0.1:${proxy.port}`, NO_PROXY: 'example.org,.test:8443' };
  await using store = await openStore({ registries: { registries, env } });
  const excluded = { ...env, NO_PROXY: 'example.org, .test' };
  await using direct = await openStore({ registries: { registries, env: excluded, attempts: 1 } });

  await store.pull('registry.test/app:1');
  const before = proxy.asked.length;
  await assert.rejects(direct.pull('registry.test/app:1'), { code: 'Unavailable' });

  assert.ok(before > 0);
  assert.equal(proxy.asked.length, before);
});

test('a proxy that refuses, or is not there, is told of without its password', async () => {
  await using refusing = await FakeRegistry.open();
  refusing.behave = (_, response) => fail(response, 407);
  for (const address of [`http://me:s3cr3t@${refusing.host}`, 'http://me:s3cr3t@127.0.0.1:1', 'http://me:s3cr3t@[']) {
    await using store = await openStore({ registries: { env: { HTTPS_PROXY: address } } });

    let refused: unknown;
    await store.pull('registry.test/app:1').catch((error: unknown) => (refused = error));

    assert.ok(refused instanceof Error);
    assert.match(refused.message, /prox|127\.0\.0\.1:1|ECONNREFUSED/);
    assert.doesNotMatch(inspect(refused, { depth: null, showHidden: true }), /s3cr3t|czNjcjN0/);
  }
});
