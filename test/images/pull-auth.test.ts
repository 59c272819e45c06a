import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { RegistryAuth } from '../../src/engine/ports.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { FakeRegistry, fail, sendBlob } from '../support/fake-registry.ts';
import type { Asked } from '../support/fake-registry.ts';
import { pushedImage } from '../support/images.ts';
import type { TestImage } from '../support/images.ts';
import { registryEntry } from '../support/registry-settings.ts';
import { TokenServer } from '../support/token-server.ts';
import { openStore } from './store.ts';

const APP: TestImage = { layers: [{ a: 'x' }, { b: 'x' }, { c: 'x' }] };
const BASIC: RegistryAuth = { kind: 'basic', username: 'ann', password: 's3cr3t:with colon' };
const HEADER = `Basic ${Buffer.from('ann:s3cr3t:with colon').toString('base64')}`;

/** Debian's registry, which lets nobody in but ann. */
function startGuarded() {
  return startDockerRegistry((folder) => {
    const script = 'print "ann:", crypt($ARGV[0], q($2b$05$abcdefghijklmnopqrstuu)), "\\n"';
    writeFileSync(`${folder}/htpasswd`, execFileSync('perl', ['-e', script, 's3cr3t:with colon']));
    return { auth: { htpasswd: { realm: 'test', path: `${folder}/htpasswd` } } };
  });
}

async function refusal(pulling: Promise<unknown>): Promise<Error & { readonly code: string }> {
  let refused: unknown;
  await pulling.catch((error: unknown) => (refused = error));
  assert.ok(refused instanceof Error && 'code' in refused && typeof refused.code === 'string');
  assert.doesNotMatch(inspect(refused, { depth: null, showHidden: true }), /s3cr3t|c2NyM3Q|czNjcjN0/);
  return refused as Error & { readonly code: string };
}

test('a registry with passwords lets in who has the right one', async () => {
  await using registry = await startGuarded();
  await using store = await openStore();
  await registry.push('app', '1', APP, { headers: { authorization: HEADER } });
  const name = `${registry.host}/app:1`;

  const nobody = await refusal(store.pull(name));
  const other = await refusal(store.pull(name, { auth: { ...BASIC, password: 'wrong s3cr3t' } }));
  const token = await refusal(store.pull(name, { auth: { kind: 'identity-token', token: 's3cr3t' } }));
  const image = await store.pull(name, { auth: BASIC });

  assert.equal(nobody.code, 'PermissionDenied');
  assert.equal(nobody.message, `Cannot pull "${name}": ${registry.host} wants credentials, or does not have it`);
  assert.equal(other.code, 'PermissionDenied');
  assert.equal(other.message, `Cannot pull "${name}": ${registry.host} refuses the credentials`);
  assert.equal(token.code, 'PermissionDenied');
  assert.equal(image.layers, 3);
});

test('a registry with a token server gets one token for everything, asked for with a password', async () => {
  using certificates = makeCertificates();
  await using tokens = await TokenServer.open(certificates);
  await using registry = await startDockerRegistry(() => tokens.config(certificates));
  await using store = await openStore();
  await pushWithToken(registry, tokens);
  tokens.isGiven = ({ authorization }) => authorization === HEADER;

  const image = await store.pull(`${registry.host}/app:1`, { auth: BASIC });
  const refused = await refusal(store.pull(`${registry.host}/app:1`, { auth: { ...BASIC, password: 'wrong s3cr3t' } }));

  assert.equal(image.layers, 3);
  assert.equal(tokens.asked.length, 2);
  const [question] = tokens.asked;
  assert.equal(question?.method, 'GET');
  assert.deepEqual(Object.fromEntries(question.parameters), {
    service: 'test registry',
    scope: 'repository:app:pull',
    account: 'ann',
  });
  assert.equal(refused.code, 'PermissionDenied');
  assert.match(refused.message, /needs a token from 127\S+, which answers 401 Unauthorized$/);
});

test('an identity token is exchanged for an access token', async () => {
  using certificates = makeCertificates();
  await using tokens = await TokenServer.open(certificates);
  await using registry = await startDockerRegistry(() => tokens.config(certificates));
  await using store = await openStore();
  await pushWithToken(registry, tokens);
  tokens.isGiven = ({ method, parameters }) => method === 'POST' && parameters.get('refresh_token') === 's3cr3t&=';

  await store.pull(`${registry.host}/app:1`, { auth: { kind: 'identity-token', token: 's3cr3t&=' } });
  const refused = await refusal(
    store.pull(`${registry.host}/app:1`, { auth: { kind: 'identity-token', token: 'old s3cr3t' } }),
  );

  assert.deepEqual(Object.fromEntries(tokens.asked[0]?.parameters ?? []), {
    grant_type: 'refresh_token',
    service: 'test registry',
    scope: 'repository:app:pull',
    client_id: 'berth',
    refresh_token: 's3cr3t&=',
  });
  assert.equal(refused.code, 'PermissionDenied');
});

/** Leaves the token server as if nobody had asked it. */
async function pushWithToken(
  registry: Awaited<ReturnType<typeof startDockerRegistry>>,
  tokens: TokenServer,
): Promise<void> {
  const challenge = await fetch(`http://${registry.host}/v2/`);
  const realm = /realm="([^"]+)"/.exec(challenge.headers.get('www-authenticate') ?? '')?.[1] ?? '';
  const answer = await fetch(`${realm}?service=test+registry&scope=repository:app:pull,push`);
  const { token } = (await answer.json()) as { readonly token: string };
  await registry.push('app', '1', APP, { headers: { authorization: `Bearer ${token}` } });
  tokens.asked.length = 0;
}

test('a registry token is shown as it is, from the first question on', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  registry.behave = ({ headers }, response) => headers.authorization !== 'Bearer s3cr3t' && fail(response, 401);

  await store.pull(`${registry.host}/app:1`, { auth: { kind: 'registry-token', token: 's3cr3t' } });
  const refused = await refusal(
    store.pull(`${registry.host}/app:1`, { auth: { kind: 'registry-token', token: 'old s3cr3t' } }),
  );

  assert.match(refused.message, /refuses the credentials$/);
  assert.equal(registry.asked.filter(({ headers }) => headers.authorization === undefined).length, 0);
});

/** A registry that is its own token server, and takes each token so many times. */
function guardWithTokens(registry: FakeRegistry, uses: number) {
  const left = new Map<string, number>();
  let given = 0;
  registry.behave = ({ url, headers }: Asked, response: ServerResponse) => {
    if (url.startsWith('/token')) {
      given += 1;
      left.set(`Bearer token-${given}`, uses);
      response.end(JSON.stringify({ access_token: `token-${given}` }));
      return true;
    }
    const token = headers.authorization ?? '';
    const uses_ = left.get(token) ?? 0;
    left.set(token, uses_ - 1);
    if (uses_ > 0) return false;
    const realm = `Bearer realm="http://${registry.host}/token",error="invalid_token"`;
    return fail(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': realm });
  };
  return { given: () => given };
}

test('a token that is not good any more is renewed', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore({ registries: { layersPerPull: 1 } });
  registry.push('app', '1', APP);
  const tokens = guardWithTokens(registry, 1);

  await store.pull(`${registry.host}/app:1`);

  assert.equal(tokens.given(), 6, 'tag, manifest, config and three layers');
});

test('a registry that takes none of the tokens that it wanted is not asked for ever', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  const tokens = guardWithTokens(registry, 0);

  await assert.rejects(store.pull(`${registry.host}/app:1`), { code: 'PermissionDenied' });

  assert.equal(tokens.given(), 1);
  assert.equal(registry.asked.length, 3);
});

test('a server that a registry redirects to gets nothing that proves who we are', async () => {
  await using elsewhere = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  const { blobs } = pushedImage(APP);
  elsewhere.behave = (asked, response) => sendBlob(asked, response, blobs.get(asked.url.slice(1)) ?? Buffer.alloc(0));
  registry.behave = ({ kind, name, headers }, response) => {
    if (headers.authorization !== HEADER) return fail(response, 401, '', '', { 'www-authenticate': 'Basic realm="x"' });
    if (kind === 'blobs') response.writeHead(307, { location: `http://${elsewhere.host}/${name}` }).end();
    return kind === 'blobs';
  };

  await store.pull(`${registry.host}/app:1`, { auth: BASIC });

  assert.equal(elsewhere.asked.length, blobs.size);
  for (const { headers } of elsewhere.asked) assert.equal(headers.authorization, undefined);
});

test('a server that a registry redirects to cannot ask for credentials either', async () => {
  await using elsewhere = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  elsewhere.behave = (_, response) => fail(response, 401, 'X', 'its words', { 'www-authenticate': 'Basic realm="x"' });
  registry.behave = ({ kind, name }, response) => {
    if (kind === 'blobs') response.writeHead(307, { location: `http://${elsewhere.host}/${name}` }).end();
    return kind === 'blobs';
  };

  const refused = await refusal(store.pull(`${registry.host}/app:1`, { auth: BASIC }));

  assert.equal(refused.code, 'PermissionDenied');
  assert.match(refused.message, /sends us to a server that answers 401 Unauthorized$/);
  assert.equal(elsewhere.asked.filter(({ headers }) => headers.authorization !== undefined).length, 0);
});

test('a mirror gets no credentials, and the registry itself does', async () => {
  await using mirror = await FakeRegistry.open();
  await using registry = await FakeRegistry.open();
  const registries = { [registry.host]: registryEntry({ mirrors: [mirror.host] }) };
  await using store = await openStore({ registries: { registries } });
  registry.push('app', '1', APP);
  const guard = ({ headers }: Asked, response: ServerResponse): boolean =>
    headers.authorization !== HEADER && fail(response, 401, '', '', { 'www-authenticate': 'Basic realm="x"' });
  mirror.behave = guard;
  registry.behave = guard;

  await store.pull(`${registry.host}/app:1`, { auth: BASIC });

  assert.ok(mirror.asked.length > 0);
  for (const { headers } of mirror.asked) assert.equal(headers.authorization, undefined);
});
