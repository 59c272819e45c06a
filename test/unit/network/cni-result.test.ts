import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr } from '../../../src/base/ip.ts';
import { readResult, sandboxAddresses } from '../../../src/network/cni/result.ts';

const MODERN = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'veth1' }, { name: 'eth0', sandbox: '/run/netns/x' }],
  ips: [
    { address: '10.1.0.2/16', gateway: '10.1.0.1', interface: 1 },
    { address: 'fd00::2/64', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  dns: { nameservers: ['10.1.0.1'] },
};
const OLD = {
  cniVersion: '0.2.0',
  ip4: { ip: '10.1.0.2/16', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0' }] },
  ip6: { ip: 'fd00::2/64', routes: [{ dst: '::/0' }] },
  dns: { nameservers: ['10.1.0.1'] },
};

test('a result is passed on in the version of the configuration', () => {
  const text = JSON.stringify(MODERN);
  assert.deepEqual(readResult('p', text, '1.0.0'), MODERN);
  assert.deepEqual(readResult('p', text, '1.1.0'), { ...MODERN, cniVersion: '1.1.0' });
  assert.deepEqual(readResult('p', text, '0.4.0')['ips'], [
    { version: '4', address: '10.1.0.2/16', gateway: '10.1.0.1', interface: 1 },
    { version: '6', address: 'fd00::2/64', interface: 1 },
  ]);
  assert.deepEqual(readResult('p', text, '0.2.0'), OLD);
});

test('a result of an old version is passed on in a new one', () => {
  const { interfaces, ips, ...rest } = MODERN;
  assert.ok(interfaces.length > 0);
  const withoutInterfaces = ips.map(({ address, ...more }) =>
    'gateway' in more ? { address, gateway: more.gateway } : { address },
  );
  assert.deepEqual(readResult('p', JSON.stringify(OLD), '1.0.0'), { ...rest, ips: withoutInterfaces });
  const { cniVersion, ...unversioned } = OLD;
  assert.ok(cniVersion);
  assert.deepEqual(readResult('p', JSON.stringify(unversioned), '0.1.0'), { ...OLD, cniVersion: '0.1.0' });
});

for (const [what, text, message] of [
  ['nothing', '', /^it printed nothing in place of a result$/],
  ['garbage', 'Segmentation fault', /^it printed "Segmentation fault" in place of a result$/],
  ['a list', '[]', /in place of a result/],
  ['an unknown version', '{"cniVersion":"7.0.0"}', /^its result is of version "7\.0\.0", which is not known$/],
] as const) {
  test(`a plugin that prints ${what} is named as the one to blame`, () => {
    assert.throws(() => readResult('p', text, '1.0.0'), { name: 'PluginError', plugin: 'p', message });
  });
}

const addressesOf = (result: object): string[] => sandboxAddresses('p', { ...result }, 'eth0').map(formatCidr);

test("the sandbox's addresses keep their order, and those of the host's end are left out", () => {
  assert.deepEqual(addressesOf(MODERN), ['10.1.0.2/16', 'fd00::2/64']);
  assert.deepEqual(addressesOf(OLD), ['10.1.0.2/16', 'fd00::2/64']);
  const withHostEnd = { ...MODERN, ips: [{ address: '10.1.0.1/16', interface: 0 }, ...MODERN.ips] };
  assert.deepEqual(addressesOf(withHostEnd), ['10.1.0.2/16', 'fd00::2/64']);
  assert.deepEqual(addressesOf({ ips: [{ address: '10.1.0.2/16' }] }), ['10.1.0.2/16']);
});

test('a sandbox without an address, or with one that is none, is a failure of the plugin', () => {
  assert.throws(() => addressesOf({ cniVersion: '1.0.0' }), { message: /no IP address for the sandbox/ });
  assert.throws(() => addressesOf({ ips: [{ address: 'soon' }] }), { message: /has "soon" in place of an IP address/ });
});
