import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cniArgsOf } from '../../../src/network/cni/args.ts';
import { capabilityArgsOf } from '../../../src/network/cni/capability-args.ts';
import { PluginError, meansGone, networkError, readPluginError } from '../../../src/network/cni/plugin-error.ts';
import { parseQuantity } from '../../../src/network/cni/quantity.ts';

for (const [text, value] of [
  ['10M', 10_000_000n],
  ['1.5k', 1_500n],
  ['1Gi', 1n << 30n],
  ['0.5Ki', 512n],
  ['2e6', 2_000_000n],
  ['2E3', 2_000n],
  ['1E', 10n ** 18n],
  ['100m', 1n],
  ['1.0001', 2n],
  ['-1.5', -1n],
  ['+7', 7n],
  ['.5k', 500n],
  ['1500000000e-3', 1_500_000n],
  ['', undefined],
  ['M', undefined],
  ['10 M', undefined],
  ['10MB', undefined],
  ['1.2.3', undefined],
  ['1Ki2', undefined],
] as const) {
  test(`quantity ${JSON.stringify(text)} is ${String(value)}`, () => assert.equal(parseQuantity(text), value));
}

const nothing = { ports: [], dns: undefined, annotations: {}, cgroupParent: undefined };

test('plugins that can do it are told of host ports, bandwidth, DNS and the cgroup; of what is not wanted, nothing', () => {
  assert.deepEqual(capabilityArgsOf(nothing), {});
  const dns = { servers: ['10.0.0.1'], searches: ['a.b'], options: ['ndots:5'] };
  const args = capabilityArgsOf({
    ports: [
      { protocol: 'tcp', containerPort: 80, hostPort: 8080 },
      { protocol: 'udp', containerPort: 53, hostPort: 53, hostIp: '192.0.2.1' },
      { protocol: 'tcp', containerPort: 81, hostPort: 0 },
    ],
    dns,
    annotations: { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '1Gi' },
    cgroupParent: '/kubepods/pod1',
  });
  assert.deepEqual(args, {
    portMappings: [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' },
      { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '192.0.2.1' },
    ],
    bandwidth: {
      ingressRate: 10_000_000,
      ingressBurst: 4_294_967_295,
      egressRate: 1_073_741_824,
      egressBurst: 4_294_967_295,
    },
    dns,
    cgroupPath: '/kubepods/pod1',
  });
});

for (const [rate, message] of [
  ['fast', /"kubernetes\.io\/ingress-bandwidth" is "fast": must be a quantity like "10M"/],
  ['999', /is "999": must be from 1k to 1P/],
  ['2P', /is "2P": must be from 1k to 1P/],
  ['-10M', /must be from 1k to 1P/],
] as const) {
  test(`a bandwidth of ${rate} is refused`, () => {
    const annotations = { 'kubernetes.io/ingress-bandwidth': rate };
    assert.throws(() => capabilityArgsOf({ ...nothing, annotations }), { code: 'InvalidArgument', message });
  });
}

test('plugins are told whom a sandbox belongs to', () => {
  const pod = { name: 'web', namespace: 'shop', uid: 'u-1', attempt: 2 };
  assert.deepEqual(cniArgsOf({ sandboxId: 'abc', pod }), [
    ['IgnoreUnknown', '1'],
    ['K8S_POD_NAMESPACE', 'shop'],
    ['K8S_POD_NAME', 'web'],
    ['K8S_POD_INFRA_CONTAINER_ID', 'abc'],
    ['K8S_POD_UID', 'u-1'],
  ]);
  assert.deepEqual(cniArgsOf({ sandboxId: 'abc', pod: undefined }), [['IgnoreUnknown', '1']]);
  const hostile = { ...pod, uid: 'u;K8S_POD_NAME=other' };
  assert.throws(() => cniArgsOf({ sandboxId: 'abc', pod: hostile }), {
    code: 'InvalidArgument',
    message: /K8S_POD_UID/,
  });
});

test('all of what a plugin says of its failure gets to the caller', () => {
  const said = '{"cniVersion":"1.0.0","code":7,"msg":"no such thing","details":"look there"}';
  const error = networkError('attach sandbox "1"', readPluginError('bridge', 1, said, 'noise'));
  assert.equal(
    error.message,
    'Cannot attach sandbox "1": network plugin "bridge" says: no such thing; look there (code 7)',
  );
  assert.equal(error.code, 'Internal');
  const crashed = readPluginError('bridge', 2, '', 'panic: nil pointer\n');
  assert.equal(crashed.message, 'panic: nil pointer (exit code 2)');
  assert.equal(readPluginError('bridge', 137, '', '').message, 'it says nothing (exit code 137)');
});

test('a plugin that is not ready makes the network unavailable', () => {
  for (const code of [11, 50, 51]) {
    assert.equal(networkError('x', new PluginError('p', code, 'later')).code, 'Unavailable');
  }
});

for (const [isGone, code, words] of [
  [true, 3, 'unknown container'],
  [true, 999, 'Link not found'],
  [true, 999, 'failed to open netns "/run/netns/x": failed to Statfs "/run/netns/x": no such file or directory'],
  [true, 999, 'network namespace /run/netns/x does not exist'],
  [true, 999, 'unknown FS magic on "/run/netns/x": 1021994'],
  [false, 999, 'failed to list chains: exec: "iptables": executable file not found in $PATH'],
  [false, 999, 'open /etc/kubeconfig: no such file or directory'],
  [false, 999, 'failed to find plugin "host-local" in path [/opt/cni/bin]'],
  [false, 11, 'try again later'],
  [false, undefined, 'exit code 1'],
] as const) {
  test(`DEL with ${JSON.stringify(words)} ${isGone ? 'has nothing to do' : 'has failed'}`, () => {
    assert.equal(meansGone(new PluginError('p', code, words)), isGone);
  });
}
