import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkOrder } from '../../src/engine/ports.ts';
import { BRIDGE, IPAM, NetworkLab } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';

const TINY = { ...BRIDGE, ipam: { ...IPAM, ranges: [[{ subnet: '10.99.0.0/29' }]] } };
/** A /29 without network, broadcast and gateway. */
const ADDRESSES = 5;
const LASTING = /^(link (berth0|cni0)$|rule )/;

/** What a reboot takes away: namespaces, and all that was in the kernel and on a tmpfs. */
async function reboot(lab: NetworkLab, orders: readonly NetworkOrder[]): Promise<void> {
  lab.network.close();
  for (const { sandboxId } of orders) await lab.unpin(sandboxId);
  await lab.open();
}

test('a range that is used up says so, and is free again after a reboot', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([TINY]);
  await lab.open();
  const orders: NetworkOrder[] = [];
  for (let count = 0; count < ADDRESSES; count += 1) {
    const order = await lab.order();
    await lab.attach(order);
    orders.push(order);
  }
  const late = await lab.order();
  await assert.rejects(lab.attach(late), {
    message: /network plugin "bridge" says: .*no IP addresses available in range/,
  });
  await lab.detach(late);
  assert.equal(lab.addresses().length, ADDRESSES);

  await reboot(lab, orders);
  await lab.network.restore([]);
  const next = await lab.order();
  await assert.rejects(lab.attach(next), /no IP addresses available/, 'the addresses are still noted as in use');
  await lab.network.detach(next.sandboxId, next.netns);
  assert.equal((await lab.network.find()).length, ADDRESSES);
  for (const id of await lab.network.find()) await lab.network.detach(id, undefined);

  assert.deepEqual(lab.addresses(), []);
  await lab.attach(next);
  await lab.detach(next);
  assert.deepEqual(
    lab.census().filter((each) => !LASTING.test(each)),
    [],
  );
});

for (const [name, options, configured] of [
  ['the built-in network', { usesBuiltIn: true }, false],
  ['a bridge by configuration', {}, true],
] as const) {
  for (let round = 1; round <= 3; round += 1) {
    test(`20 sandboxes at once get 20 addresses of ${name}, and leave nothing (round ${round})`, async () => {
      const lab = new NetworkLab(options);
      await using _ = lab;
      if (configured) await lab.configure([BRIDGE]);
      await lab.open();
      const orders = await Promise.all(
        Array.from({ length: 20 }, (__, index) =>
          lab.order({ ports: [{ protocol: 'tcp', hostPort: 9_000 + index, containerPort: 80 }] }),
        ),
      );

      const attached = await Promise.all(orders.map((order) => lab.attach(order)));

      const addresses = attached.flatMap((each) => each.addresses);
      assert.equal(new Set(addresses).size, addresses.length);
      assert.ok(attached.every((each) => each.addresses.length > 0));
      assert.equal(forwardedPorts().length, 20);
      await Promise.all(orders.map((order) => lab.detach(order)));
      assert.deepEqual(forwardedPorts(), []);
      assert.deepEqual(
        lab.census().filter((each) => !LASTING.test(each)),
        [],
      );
    });
  }
}

test('sandboxes that come and go at once do not get in the way of each other', async () => {
  await using lab = await new NetworkLab({ usesBuiltIn: true }).open();
  const life = async (index: number): Promise<string | undefined> => {
    const order = await lab.order({ ports: [{ protocol: 'udp', hostPort: 9_100 + index, containerPort: 53 }] });
    const { addresses } = await lab.attach(order);
    await lab.detach(order);
    return addresses[0];
  };
  for (let round = 0; round < 3; round += 1) {
    const addresses = await Promise.all(Array.from({ length: 8 }, (_, index) => life(index)));
    assert.ok(addresses.every((address) => address?.startsWith('10.83.')));
  }
  assert.deepEqual(forwardedPorts(), []);
  assert.deepEqual(
    lab.census().filter((each) => !LASTING.test(each)),
    [],
  );
});
