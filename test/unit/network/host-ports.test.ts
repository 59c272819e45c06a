import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortMapping } from '../../../src/engine/sandbox/state.ts';
import type { Cidr } from '../../../src/base/ip.ts';
import { parseCidr } from '../../../src/base/ip.ts';
import { changeRules, elementsOf, flushRules, noElements } from '../../../src/network/firewall/ruleset.ts';
import { forwardsOf } from '../../../src/network/forwards.ts';
import { HostPorts, collide, describeClaim, readClaims } from '../../../src/network/host-ports/claims.ts';
import type { Claim } from '../../../src/network/host-ports/claims.ts';

function claim(hostIp: string, fields: Partial<PortMapping> = {}): Claim {
  const [first] = readClaims([{ protocol: 'tcp', hostPort: 80, containerPort: 8080, hostIp, ...fields }]);
  assert.ok(first);
  return first;
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed);
  return parsed;
}

for (const [a, b, isSo] of [
  ['', '', true],
  ['', '0.0.0.0', true],
  ['', '::', true],
  ['', '192.0.2.1', true],
  ['', 'fd00::1', true],
  ['0.0.0.0', '192.0.2.1', true],
  ['0.0.0.0', 'fd00::1', false],
  ['0.0.0.0', '::', false],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['fd00::1', 'fd00:0::0:1', true],
] as const) {
  test(`port 80 of ${JSON.stringify(a)} and of ${JSON.stringify(b)} ${isSo ? 'are one' : 'are two'}`, () => {
    assert.equal(collide(claim(a), claim(b)), isSo);
    assert.equal(collide(claim(b), claim(a)), isSo);
    assert.equal(collide(claim(a), claim(b, { protocol: 'udp' })), false);
    assert.equal(collide(claim(a), claim(b, { hostPort: 81 })), false);
  });
}

test('a claim is told as people write ports', () => {
  const told = ['', '0.0.0.0', '::', '192.0.2.1', 'fd00::1'].map((hostIp) => describeClaim(claim(hostIp)));
  assert.deepEqual(told, ['80/tcp', '0.0.0.0:80/tcp', '[::]:80/tcp', '192.0.2.1:80/tcp', '[fd00::1]:80/tcp']);
});

test('the same mapping twice is one, and one without a host port is none', () => {
  const port: PortMapping = { protocol: 'tcp', hostPort: 80, containerPort: 8080 };
  assert.equal(readClaims([port, port, { ...port, hostPort: 0 }]).length, 1);
  assert.throws(() => readClaims([port, { ...port, containerPort: 8081 }]), {
    code: 'InvalidArgument',
    message: 'Cannot use host port 80/tcp: the same sandbox uses it as 80/tcp for port 8080',
  });
});

test('a sandbox that cannot have all of its ports has none of them', () => {
  const ports = new HostPorts();
  ports.claim('a'.repeat(64), [claim('', { hostPort: 81 })]);
  const wanted = [claim('', { hostPort: 80 }), claim('', { hostPort: 81 })];
  assert.throws(() => ports.claim('b'.repeat(64), wanted), { code: 'AlreadyExists' });
  assert.deepEqual(ports.of('b'.repeat(64)), []);
  ports.release('a'.repeat(64));
  ports.claim('b'.repeat(64), wanted);
  assert.deepEqual(ports.holders(), ['b'.repeat(64)]);
});

test('a host port leads to the address of its kind; a loopback address leads to our own bridge only', () => {
  const addresses = [cidr('10.83.0.5/16'), cidr('fd62::5/64')];
  const content = (isOnBridge: boolean) => ({
    subnets: addresses,
    forwards: forwardsOf([claim(''), claim('192.0.2.1', { hostPort: 81 })], addresses, isOnBridge),
  });

  const rules = changeRules(noElements(), elementsOf(content(true)));

  assert.deepEqual(rules.trim().split('\n'), [
    'add element inet berth subnets4 { 10.83.0.0/16 }',
    'add element inet berth subnets6 { fd62::/64 }',
    'add element inet berth at4 { 192.0.2.1 . tcp . 81 : 10.83.0.5 . 8080 }',
    'add element inet berth loopback4 { tcp . 80 : 10.83.0.5 . 8080 }',
    'add element inet berth any4 { tcp . 80 : 10.83.0.5 . 8080 }',
    'add element inet berth any6 { tcp . 80 : fd62::5 . 8080 }',
    'add element inet berth near4 { 10.83.0.0/16 . 10.83.0.5 }',
    'add element inet berth near6 { fd62::/64 . fd62::5 }',
  ]);
  assert.equal(elementsOf(content(false)).loopback4.size, 0);
});

test('only what has changed is changed', () => {
  const of = (hostPort: number) =>
    elementsOf({ subnets: [], forwards: forwardsOf([claim('', { hostPort })], [cidr('10.83.0.5/16')], false) });
  assert.equal(changeRules(of(80), of(80)), '');
  assert.deepEqual(changeRules(of(80), of(81)).trim().split('\n'), [
    'delete element inet berth any4 { tcp . 80 : 10.83.0.5 . 8080 }',
    'add element inet berth any4 { tcp . 81 : 10.83.0.5 . 8080 }',
  ]);
  assert.match(flushRules(), /^flush set inet berth subnets4\n/);
});
