import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { NetworkOrder } from '../../src/engine/ports.ts';
import { BRIDGE, NetworkLab, PORTMAP, Started } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';
import { sh } from '../support/private-host.ts';

const PROGRAM = new URL('../programs/attach-sandbox.ts', import.meta.url).pathname;
const ports = [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] as const;
const LASTING = /^(link (berth0|cni0)$|rule )/;

function attachElsewhere(order: NetworkOrder, options: object, failpoint = '', verb = ''): Started {
  const args = [process.execPath, PROGRAM, JSON.stringify(options), JSON.stringify(order), verb];
  return new Started(args, { BERTH_FAIL: failpoint });
}

/** What a new daemon does about a sandbox that nothing else is known of. */
async function cleanAfterCrash(lab: NetworkLab, order: NetworkOrder): Promise<void> {
  await lab.open();
  await lab.network.restore([]);
  for (const id of await lab.network.find()) await lab.network.detach(id, order.netns);
  await lab.unpin(order.sandboxId);
  assert.deepEqual(await lab.network.find(), []);
  assert.deepEqual(forwardedPorts(), []);
  assert.deepEqual(
    lab.census().filter((each) => !LASTING.test(each)),
    [],
  );
}

for (const [network, options, plugins] of [
  ['the built-in network', { usesBuiltIn: true }, undefined],
  ['a bridge with portmap', {}, [{ ...BRIDGE, ipMasq: true }, PORTMAP]],
] as const) {
  for (const point of ['claim', 'intent', 'add', 'result', 'serve']) {
    test(`a daemon that dies after ${point} of an attach to ${network} leaves nothing that its successor does not remove`, async () => {
      await using lab = new NetworkLab(options);
      if (plugins !== undefined) await lab.configure(plugins);
      const order = await lab.order({ ports });

      const daemon = attachElsewhere(order, options, `network.${point}.after:exit`);
      await daemon.ended;

      assert.equal(daemon.process.signalCode, 'SIGKILL', daemon.said.join(''));
      await cleanAfterCrash(lab, order);
      assert.doesNotMatch(sh('iptables-save -t nat 2>/dev/null'), /8080|10\.99\.0\.[2-9]/);
    });
  }
}

test('a daemon that dies between the DEL and its record leaves a DEL that is done once more', async () => {
  await using lab = new NetworkLab();
  await lab.configure([BRIDGE]);
  const order = await lab.order({ ports });
  const daemon = attachElsewhere(order, {}, 'network.delete.after:exit', 'detach');
  await daemon.ended;
  assert.equal(daemon.process.signalCode, 'SIGKILL');
  assert.equal(lab.census().filter((each) => each.startsWith('record')).length, 1);
  await cleanAfterCrash(lab, order);
});

test('a daemon that is killed in the midst of an ADD leaves plugins at work; they are ended before the DEL', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  lab.writePlugin(
    'slow',
    `echo "$CNI_COMMAND" >>/run/lab/calls; [ $CNI_COMMAND = ADD ] || exit 0
    sleep 1.5; : >/run/lab/too-late; echo '{"cniVersion":"1.0.0"}'`,
  );
  await lab.configure([BRIDGE, { type: 'slow' }]);
  const order = await lab.order({ ports });
  const daemon = attachElsewhere(order, {});
  while (!existsSync('/run/lab/calls')) await sleepFor(5);
  daemon.process.kill('SIGKILL');
  await daemon.ended;

  await cleanAfterCrash(lab, order);

  await sleepFor(2_000); // longer than the plugin would have slept
  assert.ok(!existsSync('/run/lab/too-late'), 'the plugin of the dead daemon went on');
  assert.deepEqual(lab.addresses(), []);
});

test('a detach that was cut off is done again from the beginning', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  const order = await lab.order({ ports });
  await lab.open();
  await lab.attach(order);
  writeFileSync(`${lab.stateFolder}/results/.new-lab-${order.sandboxId}-eth0`, '{"half":'); // of a save that was cut off
  sh(`ip link delete $(ip -o link show master cni0 | sed 's/^[0-9]*: \\([^@]*\\)@.*/\\1/')`); // half a DEL

  await cleanAfterCrash(lab, order);
});

test('a record that was begun when the daemon died is of nothing, and goes', async () => {
  await using lab = await new NetworkLab({ usesBuiltIn: true }).open();
  const order = await lab.order();
  await lab.attach(order);
  sh(`cd ${lab.stateFolder}/results && echo half >.new-berth-${'d'.repeat(64)}-eth0`);
  assert.equal((await lab.network.find()).length, 2);
  await lab.network.detach('d'.repeat(64), undefined);
  assert.deepEqual(await lab.network.find(), [order.sandboxId]);
  await lab.detach(order);
});

test('a record that cannot be read is put right with what its name says', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  const order = await lab.order();
  await lab.attach(order);
  writeFileSync(`${lab.stateFolder}/results/lab-${order.sandboxId}-eth0`, '');

  assert.equal(lab.addresses().length, 1);
  await cleanAfterCrash(lab, order);

  assert.match(lab.said.join('\n'), /warn a record of a network cannot be read/);
});

test('a bridge is not taken from a sandbox whose record cannot be read', async () => {
  await using lab = await new NetworkLab({ usesBuiltIn: true }).open();
  const order = await lab.order({ ports });
  const { addresses } = await lab.attach(order);
  writeFileSync(`${lab.stateFolder}/results/berth-${order.sandboxId}-eth0`, 'garbage');

  await lab.open();
  await lab.network.restore([{ sandboxId: order.sandboxId, ports, addresses }]);

  assert.ok(lab.census().includes('link berth0'));
  const rival = await lab.order({ ports });
  await assert.rejects(lab.attach(rival), { code: 'AlreadyExists' }, 'nor its host port');
  await lab.unpin(rival.sandboxId);
  await lab.detach(order);
  assert.deepEqual(lab.addresses(), []);
});

test('a record of a network that nobody knows any more is given up, and said so', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  const id = 'e'.repeat(64);
  const order = await lab.order();
  await lab.attach(order);
  writeFileSync(`${lab.stateFolder}/results/other-${id}-eth0`, 'garbage');
  await lab.network.detach(id, undefined);
  assert.deepEqual(await lab.network.find(), [order.sandboxId]);
  assert.match(lab.said.join('\n'), /warn nothing is known of how a sandbox was attached/);
  await lab.detach(order);
});
