import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forThisHost, hostPlatform, isForHost } from '../../../src/images/platform.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };

for (const [host, os, architecture, variant, isFit] of [
  [AMD64, 'linux', 'amd64', '', true],
  [AMD64, 'linux', 'x86_64', '', true],
  [AMD64, 'linux', 'amd64', 'v1', true],
  [AMD64, 'linux', 'amd64', 'v2', false],
  [AMD64, 'linux', 'amd64', 'v3', false],
  [AMD64, 'windows', 'amd64', '', false],
  [AMD64, 'linux', '386', '', false],
  [AMD64, 'linux', 'arm64', 'v8', false],
  [ARM64, 'linux', 'arm64', '', true],
  [ARM64, 'linux', 'arm64', 'v8', true],
  [ARM64, 'linux', 'aarch64', '8', true],
  [ARM64, 'linux', 'arm64', 'v9', false],
  [ARM64, 'linux', 'arm', 'v8', false],
  [ARM64, 'linux', 'amd64', '', false],
] as const) {
  test(`${os}/${architecture}/${variant} is ${isFit ? '' : 'not '}for ${host.architecture}`, () => {
    assert.equal(isForHost({ os, architecture, variant }, host), isFit);
  });
}

test('what has no platform is for any host, and what is said to be for none is for none', () => {
  const none = { platform: { os: 'unknown', architecture: 'unknown' } };
  const any = { platform: undefined };
  const own = { platform: hostPlatform };

  assert.deepEqual(forThisHost([none, any, own], 'index'), [any, own]);
  assert.throws(() => forThisHost([none], 'index'), { code: 'Unsupported', message: /only for nothing$/ });
});
