import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseName } from '../../src/images/reference.ts';

const HEX = '0123456789abcdef'.repeat(4);
const SHA512 = `sha512:${HEX}${HEX}`;

for (const [text, full] of [
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['user/app', 'docker.io/user/app:latest'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/busybox:1', 'docker.io/library/busybox:1'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000', 'docker.io/library/localhost:5000'],
  ['localhost:5000/app', 'localhost:5000/app:latest'],
  ['registry.example.org/a/b/c:v1', 'registry.example.org/a/b/c:v1'],
  ['registry:443/app', 'registry:443/app:latest'],
  ['Registry/app', 'Registry/app:latest'],
  ['[2001:db8::1]:5000/app:v1', '[2001:db8::1]:5000/app:v1'],
  ['10.0.0.1/app', '10.0.0.1/app:latest'],
  ['a__b/c-d/e.f/g--h', 'docker.io/a__b/c-d/e.f/g--h:latest'],
  [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`],
  [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`],
  [`example.org/app@${SHA512}`, `example.org/app@${SHA512}`],
  [`app:${'t'.repeat(128)}`, `docker.io/library/app:${'t'.repeat(128)}`],
  ['app:_under.score-dash', 'docker.io/library/app:_under.score-dash'],
  [HEX.slice(1), `docker.io/library/${HEX.slice(1)}:latest`],
] as const) {
  test(`"${text.slice(0, 60)}" means ${full.slice(0, 60)}`, () => {
    assert.equal(normaliseName(text), full);
  });
}

for (const [text, reason] of [
  ['', /empty/],
  ['Busybox', /lowercase/],
  ['user/App', /lowercase/],
  ['app:', /tag ""/],
  [`app:${'t'.repeat(129)}`, /tag/],
  ['app:-dash', /tag "-dash"/],
  ['app:.dot', /tag/],
  ['app:tag:tag', /tag "tag:tag"/],
  ['app:ä', /tag/],
  ['/app', /repository/],
  ['app/', /repository/],
  ['a//b', /repository/],
  ['-app', /repository/],
  ['app-', /repository/],
  ['a___b', /repository/],
  ['a..b', /repository/],
  ['a._b', /repository/],
  ['../etc', /registry "\.\."/],
  ['a b', /repository/],
  ['app\n', /repository/],
  ['-host.example/app', /registry "-host.example"/],
  ['host.example:port/app', /registry "host.example:port"/],
  ['http://host/app', /registry "http:"/],
  ['app@sha256:short', /no digest/],
  [`app@sha256:${HEX.toUpperCase()}`, /no digest/],
  [`app@md5:${HEX}`, /no digest/],
  [`app@${HEX}`, /no digest/],
  ['app@', /no digest/],
  [HEX, /an id, not a name/],
  ['a'.repeat(256), /longer than 255/],
  ['a/'.repeat(5_000), /longer than 1024/],
] as const) {
  test(`"${text.slice(0, 40)}" is refused`, () => {
    assert.throws(() => normaliseName(text), { code: 'InvalidArgument', field: 'image', message: reason });
  });
}
