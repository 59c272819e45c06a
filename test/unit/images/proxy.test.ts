import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from '../../../src/images/registry/proxy.ts';

const PROXY = 'http://proxy:3128';

for (const [url, noProxy, isProxied] of [
  ['https://registry.example.org/v2', '', true],
  ['https://registry.example.org/v2', '*', false],
  ['https://registry.example.org/v2', 'example.org', false],
  ['https://example.org/v2', 'example.org', false],
  ['https://example.org/v2', '.example.org', true],
  ['https://registry.example.org/v2', '.example.org', false],
  ['https://registry.example.org/v2', '*.example.org', false],
  ['https://notexample.org/v2', 'example.org', true],
  ['https://registry.example.org/v2', 'other, EXAMPLE.org ,', false],
  ['https://registry.example.org:5000/v2', 'example.org:5000', false],
  ['https://registry.example.org/v2', 'example.org:443', false],
  ['https://registry.example.org/v2', 'example.org:5000', true],
  ['http://registry.example.org/v2', 'example.org:80', false],
  ['https://10.1.2.3:5000/v2', '10.0.0.0/8', false],
  ['https://11.1.2.3:5000/v2', '10.0.0.0/8', true],
  ['https://10.1.2.3:5000/v2', '10.1.2.3', false],
  ['https://10.1.2.3:5000/v2', '1.2.3', true],
  ['https://10.1.2.3:5000/v2', '10.1.2.3:5000', false],
  ['https://10.1.2.3:5000/v2', '10.1.2.3:443', true],
  ['https://[2001:db8::1]:5000/v2', '2001:db8::/32', false],
  ['https://[2001:db8::1]:5000/v2', '2001:db8::1', false],
  ['https://[2001:db8::1]:5000/v2', '[2001:db8::1]:5000', false],
  ['https://[2001:db8::1]:5000/v2', '[2001:db8::1]:443', true],
  ['https://registry.example.org/v2', '10.0.0.0/8,10.0.0.0/99,/,:', true],
  ['https://localhost:5000/v2', '', false],
  ['https://127.0.0.2:5000/v2', '', false],
  ['https://[::1]:5000/v2', '', false],
] as const) {
  test(`${url} is ${isProxied ? '' : 'not '}asked through a proxy with NO_PROXY="${noProxy}"`, () => {
    const env = { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: noProxy };
    assert.equal(proxyFor(new URL(url), env), isProxied ? PROXY : undefined);
  });
}

test('each kind of URL has a proxy of its own, in capital letters first', () => {
  const url = new URL('https://example.org');
  assert.equal(proxyFor(url, { HTTP_PROXY: PROXY }), undefined);
  assert.equal(proxyFor(url, { https_proxy: PROXY }), PROXY);
  assert.equal(proxyFor(url, { https_proxy: 'http://other', HTTPS_PROXY: PROXY }), PROXY);
  assert.equal(proxyFor(new URL('http://example.org'), { http_proxy: PROXY }), PROXY);
  assert.equal(proxyFor(url, { HTTPS_PROXY: '' }), undefined);
});

test('a proxy without a scheme is asked over HTTP', () => {
  assert.equal(proxyFor(new URL('https://example.org'), { HTTPS_PROXY: 'proxy:3128' }), PROXY);
});
