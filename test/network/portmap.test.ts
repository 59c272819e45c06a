import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BRIDGE, NetworkLab, PORTMAP } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';
import { HOST, OUTSIDE, ask, sh } from '../support/private-host.ts';

const CLASSICAL = [{ ...BRIDGE, ipMasq: true, hairpinMode: true }, PORTMAP, { type: 'firewall' }];
const ports = [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] as const;

async function classicalLab(extra: readonly object[] = []): Promise<NetworkLab> {
  const lab = new NetworkLab();
  await lab.configure([...CLASSICAL, ...extra]);
  return lab.open();
}

test('where a plugin forwards host ports it is left to it, with our own table of who has which', async () => {
  await using lab = await classicalLab();
  const [order, late] = [await lab.order({ ports }), await lab.order({ ports })];
  await lab.attach(order);
  await lab.answer(order.netns, 80);

  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4]);
  assert.equal(await ask({ to: '127.0.0.1', port: 8080 }), '10.99.0.1');
  assert.deepEqual(forwardedPorts(), []);
  assert.doesNotMatch(sh('nft list tables'), /inet berth/);
  await assert.rejects(lab.attach(late), { code: 'AlreadyExists' }, 'the plugin itself would take both');

  await lab.detach(order);
  await lab.attach(late);
  await lab.detach(late);
  assert.doesNotMatch(sh('iptables-save'), /8080|10\.99\.0\.[2-9]/);
});

test('rules of a plugin for host ports go with the sandbox, also when its namespace is gone before', async () => {
  await using lab = await classicalLab();
  const order = await lab.order({ ports });
  await lab.attach(order);
  assert.match(sh('iptables-save -t nat'), /8080/);
  await lab.unpin(order.sandboxId);
  await lab.network.detach(order.sandboxId, order.netns); // a path where nothing is any more
  assert.doesNotMatch(sh('iptables-save -t nat'), /8080/);
  assert.deepEqual(lab.addresses(), []);

  const other = await lab.order({ ports });
  await lab.attach(other);
  await lab.unpin(other.sandboxId);
  sh(`: >${other.netns}`); // as a reboot leaves it on a disk
  await lab.network.detach(other.sandboxId, other.netns);
  sh(`rm ${other.netns}`);
  assert.doesNotMatch(sh('iptables-save -t nat'), /8080/);
  assert.deepEqual(lab.addresses(), []);
});

test('a bandwidth is kept by the plugin for it', async () => {
  await using lab = await classicalLab([{ type: 'bandwidth', capabilities: { bandwidth: true } }]);
  const annotations = { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '5M' };
  const order = await lab.order({ annotations });
  await lab.attach(order);
  assert.match(sh('tc qdisc show'), /tbf .* rate 10Mbit/);
  assert.match(sh('tc qdisc show'), /tbf .* rate 5Mbit/);
  await lab.detach(order);
  assert.doesNotMatch(sh('tc qdisc show'), /tbf/);
});

for (const cniVersion of ['0.2.0', '0.3.1', '0.4.0', '1.0.0']) {
  test(`bridge and portmap speak version ${cniVersion} with us`, async () => {
    const lab = new NetworkLab();
    await using _ = lab;
    await lab.configure([{ ...BRIDGE, ipMasq: true }, PORTMAP], { cniVersion });
    await lab.open();
    const order = await lab.order({ ports });
    const { addresses } = await lab.attach(order);
    assert.deepEqual(addresses, ['10.99.0.2']);
    await lab.detach(order);
    assert.deepEqual(lab.addresses(), []);
  });
}
