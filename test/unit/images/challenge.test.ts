import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from '../../../src/images/registry/challenge.ts';

const scope = 'repository:library/busybox:pull,push';

for (const [header, expected] of [
  ['Basic realm="x"', [['basic', { realm: 'x' }]]],
  ['Basic', [['basic', {}]]],
  [
    `Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="${scope}"`,
    [['bearer', { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope }]],
  ],
  [
    `bearer realm = "https://a/b?c=d" , error="insufficient_scope"`,
    [['bearer', { realm: 'https://a/b?c=d', error: 'insufficient_scope' }]],
  ],
  ['Bearer realm=https://a/token,service=b', [['bearer', { realm: 'https://a/token', service: 'b' }]]],
  ['Bearer realm="a \\"quoted\\" one"', [['bearer', { realm: 'a "quoted" one' }]]],
  [
    'Basic realm="x", Bearer realm="y",service="z"',
    [
      ['basic', { realm: 'x' }],
      ['bearer', { realm: 'y', service: 'z' }],
    ],
  ],
  [
    'Negotiate, Basic realm="x"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  ['', []],
  ['"', []],
  ['Basic realm="unended', [['basic', {}]]],
] as const) {
  test(`the challenge ${JSON.stringify(header)} is read`, () => {
    const challenges = parseChallenges([header]).map(({ scheme, parameters }) => [scheme, { ...parameters }]);
    assert.deepEqual(challenges, expected);
  });
}

test('several headers are several challenges', () => {
  const schemes = parseChallenges(['Basic realm="x"', 'Bearer realm="y"']).map(({ scheme }) => scheme);
  assert.deepEqual(schemes, ['basic', 'bearer']);
});

test('a header of any length is read in no time', () => {
  const began = performance.now();
  for (const part of ['a', 'a=', '"', ',', ' ', 'a="', '\\"', 'a b,']) parseChallenges([part.repeat(8_000)]);
  assert.ok(performance.now() - began < 2_000);
});
