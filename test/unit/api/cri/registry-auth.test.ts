import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registryAuth } from '../../../../src/api/cri/to-spec/registry-auth.ts';
import { AuthConfig } from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const basic = { kind: 'basic', username: 'ann', password: 'a:b' };

for (const [what, given, expected] of [
  ['a user and a password', { username: 'ann', password: 'a:b' }, basic],
  ['both in base64', { auth: encoded('ann:a:b') }, basic],
  ['both in base64 with zero bytes', { auth: encoded('ann:a:b\0\0') }, basic],
  ['an identity token', { identityToken: 'it' }, { kind: 'identity-token', token: 'it' }],
  ['a registry token', { registryToken: 'rt' }, { kind: 'registry-token', token: 'rt' }],
  ['nothing', {}, undefined],
] as const) {
  test(`${what} is how a client may prove who it is`, () => {
    assert.deepEqual(registryAuth(message(AuthConfig, given), 'busybox'), expected);
  });
}

test('a client that says nothing proves nothing', () => {
  assert.equal(registryAuth(undefined, 'busybox'), undefined);
});

for (const [serverAddress, image, isSent] of [
  ['https://index.docker.io/v1/', 'busybox', true],
  ['docker.io', 'library/busybox:1', true],
  ['https://registry.example:5000', 'registry.example:5000/a/b@sha256:0', true],
  ['registry.example:5000', 'registry.example:5000/a', true],
  ['localhost', 'localhost/a', true],
  ['https://registry.example', 'registry.example:5000/a', false],
  ['https://registry.example', 'busybox', false],
  ['https://index.docker.io/v1/', 'registry.example/a', false],
] as const) {
  test(`what is for ${serverAddress} is ${isSent ? '' : 'not '}sent for ${image}`, () => {
    const auth = message(AuthConfig, { serverAddress, username: 'ann', password: 'a:b' });
    assert.deepEqual(registryAuth(auth, image), isSent ? basic : undefined);
  });
}

for (const [what, given] of [
  ['base64 that is none', { auth: 'secret!' }],
  ['base64 of no user', { auth: encoded(':secret') }],
  ['base64 of one word', { auth: encoded('secret') }],
  ['an address that is none', { serverAddress: 'https://a b', username: 'ann', password: 'secret' }],
] as const) {
  test(`${what} is refused, without a word of the secret`, () => {
    assert.throws(
      () => registryAuth(message(AuthConfig, given), 'busybox'),
      (error: Error & { code: string }) => error.code === 'InvalidArgument' && !error.message.includes('secret'),
    );
  });
}
