import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BRIDGE, NetworkLab } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';
import { sh } from '../support/private-host.ts';

const LIST = { cniVersion: '1.0.0', name: 'lab', plugins: [BRIDGE] };
const ports = [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] as const;

/** The network looks by itself; how soon depends on what the kernel tells. */
async function untilTrouble(lab: NetworkLab, words: RegExp | undefined): Promise<void> {
  const isSo = (): boolean =>
    words === undefined ? lab.network.trouble === undefined : words.test(lab.network.trouble ?? '');
  while (!isSo()) await sleepFor(5);
}

test('a configuration that comes, goes and comes again is seen, each time soon', async () => {
  await using lab = await new NetworkLab().open();
  assert.equal(
    lab.network.trouble,
    'no network config found in /run/lab/net.d: no file in it ends in .conflist, .conf or .json',
  );
  const begunAt = performance.now();
  lab.writeConfig('10-lab.conflist', JSON.stringify(LIST));
  await untilTrouble(lab, undefined);
  rmSync('/run/lab/net.d/10-lab.conflist');
  await untilTrouble(lab, /^no network config found/);
  lab.writeConfig('10-lab.new', JSON.stringify(LIST));
  renameSync('/run/lab/net.d/10-lab.new', '/run/lab/net.d/10-lab.conflist');
  await untilTrouble(lab, undefined);
  assert.ok(performance.now() - begunAt < 4_000, 'the kernel told it, no clock');
});

test('a folder that is removed and made again is watched again', async () => {
  await using lab = await new NetworkLab().open();
  rmSync('/run/lab/net.d', { recursive: true });
  await untilTrouble(lab, /: there is no such folder$/);
  mkdirSync('/run/lab/net.d');
  lab.writeConfig('10-lab.conflist', JSON.stringify(LIST));
  await untilTrouble(lab, undefined); // nothing tells of a new folder: it is looked for
  const begunAt = performance.now();
  lab.writeConfig('05-broken.conflist', '{');
  await untilTrouble(lab, /05-broken\.conflist cannot be used: it is not JSON/);
  assert.ok(performance.now() - begunAt < 4_000, 'the kernel told it, no clock');
});

test('a folder that comes long after the daemon is found', async () => {
  await using lab = await new NetworkLab({ configFolder: '/run/lab/later' }).open();
  await lab.network.look(); // so that no look is being taken any more
  assert.equal(lab.network.trouble, 'no network config found in /run/lab/later: there is no such folder');
  renameSync('/run/lab/net.d', '/run/lab/later');
  sh(`echo '${JSON.stringify(LIST)}' >/run/lab/later/10-lab.conflist`);
  await untilTrouble(lab, undefined);
});

for (const [what, text, message] of [
  ['bad JSON', '{"name": "lab",', /it is not JSON: /],
  ['no plugins', '{"name":"lab","cniVersion":"1.0.0","plugins":[]}', /"plugins" is empty/],
  [
    'a version of the future',
    '{"name":"lab","cniVersion":"3.0.0","plugins":[{"type":"bridge"}]}',
    /"cniVersion" is 3\.0\.0: berth speaks/,
  ],
  [
    'a plugin that is nowhere',
    '{"name":"lab","plugins":[{"type":"nowhere"}]}',
    /needs plugin "nowhere", which is not in/,
  ],
] as const) {
  test(`a first file with ${what} stands in the way, and names itself`, async () => {
    const lab = new NetworkLab();
    await using _ = lab;
    lab.writeConfig('10-first.conflist', text);
    lab.writeConfig('20-good.conflist', JSON.stringify(LIST));
    await lab.open();
    await lab.network.look();
    assert.match(lab.network.trouble ?? '', message);
    if (what !== 'a plugin that is nowhere')
      assert.match(lab.network.trouble ?? '', /\/run\/lab\/net\.d\/10-first\.conflist/);
    const order = await lab.order();
    await assert.rejects(lab.attach(order), { code: 'Unavailable', message });
    await lab.unpin(order.sandboxId);
    rmSync('/run/lab/net.d/10-first.conflist');
    await untilTrouble(lab, undefined);
  });
}

test('a sandbox is detached with the configuration that it was attached with', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  lab.writePlugin(
    'odd',
    'cat >>/run/lab/calls; echo >>/run/lab/calls; echo \'{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.9/24"}]}\'',
  );
  await lab.configure([{ type: 'odd', generation: 'old' }]);
  await lab.open();
  const order = await lab.order();
  await lab.attach(order);
  await lab.configure([{ type: 'odd', generation: 'new' }]);

  await lab.detach(order);

  const calls = sh('cat /run/lab/calls').trim().split('\n');
  assert.deepEqual(
    calls.map((call) => (JSON.parse(call) as { generation: unknown }).generation),
    ['old', 'old'],
  );
});

test('a configuration takes the place of the built-in network for new sandboxes, and leaves the old ones theirs', async () => {
  await using lab = await new NetworkLab({ usesBuiltIn: true }).open();
  const [old, next] = [await lab.order({ ports }), await lab.order()];
  const first = await lab.attach(old);
  await lab.configure([BRIDGE]);
  const second = await lab.attach(next);

  assert.deepEqual([first.addresses[0], second.addresses[0]], ['10.83.0.2', '10.99.0.2']);
  assert.deepEqual(forwardedPorts(), ['8080/tcp']);
  await lab.detach(old);
  assert.deepEqual(forwardedPorts(), []);
  await lab.detach(next);
  assert.deepEqual(
    lab.census().filter((each) => !/^(link (berth0|cni0)$|rule )/.test(each)),
    [],
  );
});

test('records are for root alone, and nothing is ever written beside the configuration', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  const order = await lab.order({ ports });
  await lab.attach(order);

  const folder = `${lab.stateFolder}/results`;
  const [mode, folderMode] = [`${folder}/lab-${order.sandboxId}-eth0`, folder].map(
    (path) => statSync(path).mode & 0o777,
  );
  assert.deepEqual([mode, folderMode], [0o600, 0o700]);
  const record = JSON.parse(sh(`cat ${folder}/lab-*`)) as Record<string, unknown>;
  assert.equal(record['kind'], 'cniCacheV1');
  assert.equal(record['networkName'], 'lab');
  const config = JSON.parse(Buffer.from(String(record['config']), 'base64').toString()) as { plugins: unknown };
  assert.deepEqual(config.plugins, [BRIDGE]);
  assert.equal(sh('ls -A /run/lab/net.d'), '10-lab.conflist\n');
  await lab.detach(order);
  assert.equal(sh(`ls -A ${folder}`), '');
});
