import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { NetworkOrder } from '../../src/engine/ports.ts';
import { readRulesetGeneration } from '../../src/linux/ruleset-generation.ts';
import { BRIDGE, NetworkLab } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';
import { HOST, OUTSIDE, ask, sh } from '../support/private-host.ts';

const ports = [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] as const;

async function servingLab(): Promise<{ readonly lab: NetworkLab; readonly order: NetworkOrder }> {
  const lab = await new NetworkLab({ usesBuiltIn: true }).open();
  const order = await lab.order({ ports });
  await lab.attach(order);
  await lab.answer(order.netns, 80);
  return { lab, order };
}

async function assertReached(order: NetworkOrder): Promise<void> {
  for (const family of [4, 6] as const) {
    assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[family], port: 8080 }), OUTSIDE[family]);
    assert.equal(await ask({ from: order.netns, to: OUTSIDE[family], port: 80 }), HOST[family]);
  }
}

const FIREWALLS: readonly (readonly [name: string, build: string, remove: string])[] = [
  [
    'a policy of iptables, as dockerd and ufw set it',
    'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP; iptables -A FORWARD -d 203.0.113.7 -j REJECT',
    'iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT; iptables -F FORWARD; ip6tables -F FORWARD; nft delete table ip filter; nft delete table ip6 filter',
  ],
  [
    'an nftables chain with a policy',
    "nft 'table inet strict { chain forward { type filter hook forward priority 0; policy drop; ct state established accept; }; }'",
    'nft delete table inet strict',
  ],
  [
    'an nftables chain that ends in a reject, as firewalld sets it',
    "nft 'table inet strict { chain forward { type filter hook forward priority 10; policy accept; ct state established accept; reject with icmpx admin-prohibited; }; }'",
    'nft delete table inet strict',
  ],
];

for (const [name, build, remove] of FIREWALLS) {
  test(`${name} that was there before does not keep sandboxes from the world`, async () => {
    sh(build);
    const { lab, order } = await servingLab();
    await using _ = lab;
    await lab.answer(OUTSIDE.netns, 80);
    await assertReached(order);
    await lab.detach(order);
    await lab[Symbol.asyncDispose]();
    assert.doesNotMatch(sh('nft list ruleset'), /berth/);
    sh(remove);
  });

  test(`${name} that comes later is found, and so is one that forgets what it was told`, async () => {
    const { lab, order } = await servingLab();
    await using _ = lab;
    await lab.answer(OUTSIDE.netns, 80);
    sh(build);
    assert.notEqual(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4], 'it does drop');
    while (!/berth0.* accept/.test(sh('nft list ruleset | grep -v "^table inet berth"; true'))) await sleepFor(20);
    await lab.network.look();
    await assertReached(order);

    sh(`${remove}; ${build}`); // as a reload does it
    await lab.network.look();

    await assertReached(order);
    await lab.detach(order);
    sh(remove);
  });
}

test('a built-in network that is used only later passes other firewalls too', async () => {
  sh('iptables -P FORWARD DROP');
  const lab = new NetworkLab({ usesBuiltIn: true });
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  const first = await lab.order({ ports: [{ protocol: 'tcp', hostPort: 8081, containerPort: 80 }] });
  await lab.attach(first);
  assert.deepEqual(forwardedPorts(), ['8081/tcp']);
  sh('rm /run/lab/net.d/*');
  await lab.network.look();
  const order = await lab.order({ ports });
  await lab.attach(order);
  await lab.answer(order.netns, 80);

  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4]);
  await lab.detach(order);
  await lab.detach(first);
  sh('iptables -P FORWARD ACCEPT; iptables -F FORWARD; nft delete table ip filter');
});

test('what an administrator forbids explicitly stays forbidden', async () => {
  sh('iptables -P FORWARD DROP; iptables -A FORWARD -i berth0 -d 192.168.77.2 -j REJECT');
  const { lab, order } = await servingLab();
  await using _ = lab;
  await lab.answer(OUTSIDE.netns, 80);
  assert.equal(await ask({ from: order.netns, to: OUTSIDE[4], port: 80 }), 'refused');
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), 'no answer', 'nor an answer to it');
  assert.equal(await ask({ from: order.netns, to: OUTSIDE[6], port: 80 }), HOST[6]);
  await lab.detach(order);
  sh('iptables -P FORWARD ACCEPT; iptables -F FORWARD; nft delete table ip filter');
});

test('iptables can still read and write a chain that has our rules in it', async () => {
  sh('iptables -P FORWARD DROP');
  const { lab, order } = await servingLab();
  await using _ = lab;
  assert.match(sh('iptables -S FORWARD'), /-A FORWARD -i berth0 .*-j ACCEPT\n-A FORWARD -o berth0 .*-j ACCEPT\n/);
  sh('iptables-save >/run/lab/saved && iptables -F && iptables-restore </run/lab/saved');
  const before = sh('iptables -S FORWARD');
  await lab.network.look();
  assert.equal(sh('iptables -S FORWARD'), before, 'rules that iptables has written are known again');
  await lab.detach(order);
  sh('iptables -P FORWARD ACCEPT; iptables -F FORWARD; nft delete table ip filter');
});

test('rules that somebody has flushed are made again, by themselves and before the next attach is done', async () => {
  const { lab, order } = await servingLab();
  await using _ = lab;
  sh('nft flush ruleset');
  while (forwardedPorts().length === 0) await sleepFor(20); // nobody asks for it
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4]);

  for (const harm of [
    'nft flush ruleset',
    'nft flush map inet berth any4',
    'nft flush chain inet berth postrouting',
    'nft delete chain inet berth prerouting',
  ]) {
    sh(harm);
    const next = await lab.order({ ports: [{ protocol: 'tcp', hostPort: 8081, containerPort: 80 }] });
    await lab.attach(next);
    assert.deepEqual(forwardedPorts(), ['8080/tcp', '8081/tcp'], harm);
    assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4], harm);
    await lab.detach(next);
  }
  await lab.detach(order);
});

test('while nobody changes rules none are touched, however long that is', async () => {
  const { lab, order } = await servingLab();
  await using _ = lab;
  await lab.network.look();
  const generation = readRulesetGeneration();
  await lab.network.look();
  const portless = await lab.order();
  await lab.attach(portless);
  await lab.detach(portless);
  assert.equal(readRulesetGeneration(), generation);
  await lab.detach(order);
});

test('host ports of a network by configuration are forwarded too, but not from the loopback addresses', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  sh('sysctl -qw net.ipv4.ip_forward=1');
  const mapped = [...ports, { protocol: 'sctp', hostPort: 8080, containerPort: 80 }] as const;
  const order = await lab.order({ ports: mapped });
  await lab.attach(order);
  await lab.answer(order.netns, 80);

  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4]);
  assert.equal(await ask({ to: HOST[4], port: 8080 }), HOST[4]);
  assert.equal(await ask({ to: '127.0.0.1', port: 8080 }), 'refused');
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[6], port: 8080 }), 'refused', 'it has no IPv6 address');
  assert.deepEqual(forwardedPorts(), ['8080/sctp', '8080/tcp']);
  await lab.detach(order);
});

test('without nft a host port is refused, and everything else goes on', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  sh(
    'mkdir -p /run/lab/empty && mount --bind /run/lab/empty /usr/sbin/nft 2>/dev/null || { : >/run/lab/none; mount --bind /run/lab/none /usr/sbin/nft; }',
  );
  try {
    const [served, plain] = [await lab.order({ ports }), await lab.order()];
    await assert.rejects(lab.attach(served), { code: 'Unavailable', message: /Cannot start "nft"/ });
    await lab.attach(plain);
    await lab.detach(plain);
    await assert.rejects(lab.network.detach(served.sandboxId, served.netns), { code: 'Unavailable' });
    assert.deepEqual(lab.addresses(), [], 'its plugins have been called all the same');
    await lab.network.detach(served.sandboxId, served.netns);
    await lab.unpin(served.sandboxId);
  } finally {
    sh('umount /usr/sbin/nft');
  }
});
