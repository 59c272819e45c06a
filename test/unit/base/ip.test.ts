import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr, formatIp, ipBytes, networkOf, overlap, parseCidr, parseIp } from '../../../src/base/ip.ts';
import type { Cidr } from '../../../src/base/ip.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

for (const [text, written] of [
  ['10.0.255.1', '10.0.255.1'],
  ['::', '::'],
  ['::1', '::1'],
  ['fd00::', 'fd00::'],
  ['FD00:0:0:1::2', 'fd00:0:0:1::2'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
  ['10:0:0:1::', '10:0:0:1::'],
  ['::ffff:192.0.2.128', '::ffff:c000:280'],
] as const) {
  test(`${text} is read and written as ${written}`, () => {
    const ip = parseIp(text);
    assert.ok(ip);
    assert.equal(formatIp(ip), written);
    assert.deepEqual(parseIp(formatIp(ip)), ip);
  });
}

for (const text of ['', '10.0.0', '10.0.0.256', 'fe80::1%eth0', ':::', 'web', '1::2::3']) {
  test(`${JSON.stringify(text)} is no address`, () => assert.equal(parseIp(text), undefined));
}

for (const text of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/x', '/8']) {
  test(`${JSON.stringify(text)} is no network`, () => assert.equal(parseCidr(text), undefined));
}

test('an address knows its network', () => {
  assert.equal(formatCidr(networkOf(cidr('10.83.7.9/16'))), '10.83.0.0/16');
  assert.equal(formatCidr(networkOf(cidr('fd62:6572:7468::5/64'))), 'fd62:6572:7468::/64');
  assert.equal(formatCidr(networkOf(cidr('10.83.7.9/0'))), '0.0.0.0/0');
  assert.equal(formatCidr(networkOf(cidr('10.83.7.9/32'))), '10.83.7.9/32');
});

for (const [a, b, isSo] of [
  ['10.83.0.0/16', '10.83.5.0/24', true],
  ['10.83.5.0/24', '10.0.0.0/8', true],
  ['10.83.0.0/16', '10.84.0.0/16', false],
  ['10.83.0.0/16', 'fd00::/8', false],
  ['fd62:6572:7468::/64', 'fd62::/16', true],
  ['fd62:6572:7468::/64', 'fd62:6572:7468:1::/64', false],
] as const) {
  test(`${a} and ${b} ${isSo ? 'overlap' : 'have nothing in common'}`, () => {
    assert.equal(overlap(cidr(a), cidr(b)), isSo);
    assert.equal(overlap(cidr(b), cidr(a)), isSo);
  });
}

test('an address is sent with its first byte first', () => {
  assert.deepEqual(ipBytes(cidr('192.0.2.1/24')), Buffer.from([192, 0, 2, 1]));
  assert.equal(ipBytes(cidr('fd00::1/64')).toString('hex'), `fd${'0'.repeat(29)}1`);
});
