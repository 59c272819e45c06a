import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, registryItself, serverAddress } from '../../../src/images/registry/endpoint.ts';

for (const [registry, base] of [
  ['docker.io', 'https://registry-1.docker.io/v2'],
  ['ghcr.io', 'https://ghcr.io/v2'],
  ['example.org:5000', 'https://example.org:5000/v2'],
  ['localhost', 'http://localhost/v2'],
  ['localhost:5000', 'http://localhost:5000/v2'],
  ['127.0.0.1:5000', 'http://127.0.0.1:5000/v2'],
  ['[::1]:5000', 'http://[::1]:5000/v2'],
] as const) {
  test(`the registry ${registry} is asked at ${base}`, () => {
    assert.equal(registryItself(registry).base, base);
    assert.equal(registryItself(registry, { plainHttp: true }).base, base.replace('https', 'http'));
    assert.equal(registryItself(registry, { plainHttp: false }).base, base.replace('http:', 'https:'));
  });
}

for (const [text, base, namespace] of [
  ['mirror.example', 'https://mirror.example/v2', 'docker.io'],
  ['mirror.example:5000/hub/', 'https://mirror.example:5000/hub/v2', 'docker.io'],
  ['http://10.0.0.1:5000', 'http://10.0.0.1:5000/v2', 'docker.io'],
  ['https://mirror.example/v2/', 'https://mirror.example/v2', 'docker.io'],
  ['https://mirror.example/v2/hub', 'https://mirror.example/v2/hub/v2', 'docker.io'],
  ['https://registry-1.docker.io', 'https://registry-1.docker.io/v2', undefined],
] as const) {
  test(`a server "${text}" is asked at ${base}`, () => {
    assert.deepEqual(serverAddress(text, 'docker.io'), { base, namespace });
  });
}

test('a path that is to be taken as it stands is', () => {
  const options = { isPathWhole: true };
  assert.equal(serverAddress('https://m/own/path', 'docker.io', options).base, 'https://m/own/path');
  assert.equal(serverAddress('https://m', 'docker.io', options).base, 'https://m');
});

for (const text of ['ftp://x', 'https://me:secret@x', 'https://x?y', 'https://', 'unix:///x', '', 'a b']) {
  test(`"${text}" is no address of a server`, () => {
    assert.throws(() => serverAddress(text, 'docker.io'), { code: 'InvalidArgument', message: /^((?!secret).)*$/ });
  });
}

test('loopback is known by its names and addresses', () => {
  for (const host of ['localhost', 'localhost:1', '127.0.0.1', '127.1.2.3:5000', '[::1]', '[::1]:5000']) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of ['localhost.example', '128.0.0.1', '[::2]:5000', '[2001:db8::1]', '127.example', 'docker.io']) {
    assert.equal(isLoopback(host), false, host);
  }
});
