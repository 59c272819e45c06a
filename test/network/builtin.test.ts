import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatCidr, parseCidr } from '../../src/base/ip.ts';
import { readHostRoutes } from '../../src/network/builtin/host-routes.ts';
import { NetworkLab } from '../support/network-lab.ts';
import { HOST, OUTSIDE, ask, sh } from '../support/private-host.ts';

const builtIn = (): Promise<NetworkLab> => new NetworkLab({ usesBuiltIn: true }).open();
const GATEWAY = { 4: '10.83.0.1', 6: 'fd62:6572:7468::1' } as const;

for (const protocol of ['tcp', 'udp'] as const) {
  test(`a host port is reached by ${protocol} from everywhere, by IPv4 and IPv6`, async () => {
    await using lab = await builtIn();
    const [server, neighbour] = [
      await lab.order({ ports: [{ protocol, hostPort: 8080, containerPort: 80 }] }),
      await lab.order(),
    ];
    await lab.attach(server);
    await lab.attach(neighbour);
    await lab.answer(server.netns, 80);
    const reach = (to: string, from?: string) =>
      ask({ to, port: 8080, protocol, ...(from === undefined ? {} : { from }) });

    for (const family of [4, 6] as const) {
      assert.equal(await reach(HOST[family], OUTSIDE.netns), OUTSIDE[family], 'outside is seen as itself');
      assert.equal(await reach(HOST[family]), HOST[family], 'so is the host');
      assert.equal(await reach(HOST[family], neighbour.netns), GATEWAY[family], 'a neighbour hears it from the host');
      assert.equal(await reach(HOST[family], server.netns), GATEWAY[family], 'so does the server itself');
      assert.equal(await reach(GATEWAY[family], neighbour.netns), GATEWAY[family], 'at every address of the host');
    }
    assert.equal(await reach('127.0.0.1'), GATEWAY[4]);
    assert.equal(await reach('127.0.0.2'), GATEWAY[4]);
    assert.equal(await reach('::1'), 'refused', 'the kernel does not let it out of the host, so it is left alone');

    await lab.detach(server);
    assert.equal(await reach(HOST[4]), 'refused');
    await lab.detach(neighbour);
  });
}

test('a host port of one address is reached at that address only', async () => {
  await using lab = await builtIn();
  const ports = [
    { protocol: 'tcp', hostPort: 8080, containerPort: 80, hostIp: HOST[4] },
    { protocol: 'tcp', hostPort: 8081, containerPort: 80, hostIp: '127.0.0.1' },
    { protocol: 'tcp', hostPort: 8082, containerPort: 80, hostIp: HOST[6] },
    { protocol: 'tcp', hostPort: 8083, containerPort: 80, hostIp: '0.0.0.0' },
  ] as const;
  const order = await lab.order({ ports });
  await lab.attach(order);
  await lab.answer(order.netns, 80);

  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8080 }), OUTSIDE[4]);
  assert.equal(await ask({ to: '127.0.0.1', port: 8080 }), 'refused');
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[6], port: 8080 }), 'refused');
  assert.equal(await ask({ to: '127.0.0.1', port: 8081 }), GATEWAY[4]);
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8081 }), 'refused');
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[6], port: 8082 }), OUTSIDE[6]);
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[4], port: 8083 }), OUTSIDE[4]);
  assert.equal(await ask({ from: OUTSIDE.netns, to: HOST[6], port: 8083 }), 'refused');
  await lab.detach(order);
});

test('sandboxes reach the world as the host, and each other as themselves; nobody outside reaches them directly', async () => {
  await using lab = await builtIn();
  const [one, other] = [await lab.order(), await lab.order()];
  const [first, second] = [await lab.attach(one), await lab.attach(other)];
  await lab.answer(OUTSIDE.netns, 80);
  await lab.answer(other.netns, 80);
  sh(`ip -n outside route add 10.83.0.0/16 via ${HOST[4]} && ip -n outside route add fd62::/16 via ${HOST[6]}`);

  for (const [index, family] of ([4, 6] as const).entries()) {
    assert.equal(await ask({ from: one.netns, to: OUTSIDE[family], port: 80 }), HOST[family]);
    const target = second.addresses[index] ?? '';
    assert.equal(await ask({ from: one.netns, to: target, port: 80 }), first.addresses[index]);
    assert.equal(await ask({ to: target, port: 80 }), GATEWAY[family]);
    assert.equal(await ask({ from: OUTSIDE.netns, to: target, port: 80 }), 'no answer');
  }
  sh('ip -n outside route del 10.83.0.0/16 && ip -n outside route del fd62::/16');
  await lab.detach(one);
  await lab.detach(other);
});

test("a sandbox does not get at what listens on the host's loopback addresses", async () => {
  await using lab = await builtIn();
  const order = await lab.order({ ports: [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] });
  await lab.attach(order);
  await lab.answer(undefined, 8090);
  assert.equal(await ask({ to: '127.0.0.1', port: 8090 }), '127.0.0.1');
  assert.equal(readFileSync('/proc/sys/net/ipv4/conf/berth0/route_localnet', 'utf8').trim(), '1');
  assert.equal(readFileSync('/proc/sys/net/ipv4/conf/cable/route_localnet', 'utf8').trim(), '0');

  // its own loopback device out of the way, as whoever has CAP_NET_ADMIN can do it
  sh(`nsenter --net=${order.netns} sh -c '
    sysctl -qw net.ipv4.conf.eth0.route_localnet=1 && ip link set lo down && ip address flush dev lo
    ip route del table local 127.0.0.0/8 dev lo 2>/dev/null; ip route add 127.0.0.0/8 via ${GATEWAY[4]}'`);
  assert.equal(await ask({ from: order.netns, to: GATEWAY[4], port: 8090 }), '10.83.0.2', 'the host itself is reached');
  assert.equal(await ask({ from: order.netns, to: '127.0.0.1', port: 8090 }), 'no answer');
  await lab.detach(order);
});

test('a UDP client that does not change its port reaches the new server of a host port', async () => {
  await using lab = await builtIn();
  const ports = [{ protocol: 'udp', hostPort: 5353, containerPort: 53 }] as const;
  const [old, next] = [await lab.order({ ports }), await lab.order({ ports })];
  await lab.attach(old);
  // a client that asks again and again from one port, whose flow the kernel therefore never forgets
  const client = lab.start(OUTSIDE.netns, [
    process.execPath,
    new URL('../programs/ask-on.ts', import.meta.url).pathname,
    HOST[4],
    '5353',
  ]);
  await lab.answer(old.netns, 53);
  await client.untilSaid(/answer/);
  await lab.detach(old);
  await lab.attach(next);
  await lab.answer(next.netns, 53);

  client.said.length = 0;
  await client.untilSaid(/answer/);

  await lab.detach(next);
});

test('forwarding is switched on with the first sandbox, and the host goes on listening to router advertisements', async () => {
  const read = (name: string): string => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim();
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '0');
  writeFileSync('/proc/sys/net/ipv6/conf/cable/accept_ra', '1');
  await using lab = await builtIn();
  assert.deepEqual([read('ipv4/ip_forward'), read('ipv6/conf/all/forwarding')], ['0', '0']);
  assert.deepEqual(lab.census(), [], 'nothing is made before its time');
  const order = await lab.order();

  await lab.attach(order);

  assert.deepEqual([read('ipv4/ip_forward'), read('ipv6/conf/all/forwarding')], ['1', '1']);
  assert.equal(read('ipv6/conf/cable/accept_ra'), '2');
  assert.match(
    lab.said.join('\n'),
    /info IPv4 forwarding is switched on .*\ninfo IPv6 forwarding is switched on .*cable/,
  );
  await lab.detach(order);
});

test('when the daemon ends and nobody is attached, nothing of the built-in network is left', async () => {
  const lab = await builtIn();
  const order = await lab.order({ ports: [{ protocol: 'tcp', hostPort: 8080, containerPort: 80 }] });
  await lab.attach(order);

  await lab.network[Symbol.asyncDispose]();

  assert.ok(lab.census().includes('link berth0'), 'a sandbox still needs it');
  await lab.open();
  await lab.network.restore([]);
  await lab.detach(order);
  await lab.network[Symbol.asyncDispose]();
  assert.deepEqual(lab.census(), []);
  await lab[Symbol.asyncDispose]();
});

test('what a killed daemon left of the built-in network goes when a new one finds nobody attached', async () => {
  await using lab = await builtIn();
  const order = await lab.order();
  await lab.attach(order);
  await lab.detach(order);
  assert.ok(lab.census().includes('link berth0'));

  await lab.open();
  await lab.network.restore([]);

  assert.deepEqual(lab.census(), []);
});

for (const [what, options, other] of [
  ['IPv4', { subnet: '192.168.0.0/16' }, '192.168.77.0/24 by cable'],
  ['IPv6', { subnet6: 'fd77:0:0:0:8000::/65' }, 'fd77::/64 by cable'],
] as const) {
  test(`a subnet that the host has a route to is not taken (${what})`, async () => {
    await using lab = await new NetworkLab({ usesBuiltIn: true, ...options }).open();
    const trouble = lab.network.trouble ?? '';
    assert.ok(trouble.includes(`overlaps with the host's route to ${other}: set another one`), trouble);
    const order = await lab.order();
    await assert.rejects(lab.attach(order), { code: 'Unavailable' });
    await lab.unpin(order.sandboxId);
    assert.deepEqual(lab.census(), []);
  });
}

test('the routes of the host are read as ip writes them', () => {
  sh(
    'ip route add 10.1.2.0/23 via 192.168.77.2 && ip route add blackhole 10.9.0.0/16 && ip route add fd99:1::/48 via fd77::2',
  );
  const routes = readHostRoutes().map(({ network, interface: name }) => `${formatCidr(network)} ${name}`);
  sh('ip route del 10.1.2.0/23 && ip route del blackhole 10.9.0.0/16 && ip route del fd99:1::/48');
  for (const wanted of [
    '192.168.77.0/24 cable',
    '10.1.2.0/23 cable',
    '10.9.0.0/16 *',
    'fd77::/64 cable',
    'fd99:1::/48 cable',
  ]) {
    assert.ok(routes.includes(wanted), `${wanted} in ${routes.join(', ')}`);
  }
  assert.ok(!routes.some((route) => /\/0 /.test(route)), 'a default route leads everywhere');
});

test('the built-in network waits for nft and its plugins, and says what to install', async () => {
  await using lab = await new NetworkLab({ usesBuiltIn: true, pluginFolders: ['/run/lab/plugins'] }).open();
  assert.match(
    lab.network.trouble ?? '',
    /^no network config found in \/run\/lab\/net\.d, and the built-in network cannot be used: network plugin "bridge" is not in \/run\/lab\/plugins: install containernetworking-plugins$/,
  );
});

test('a host without IPv6 gets IPv4 alone', async () => {
  writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
  await using lab = await builtIn();
  const order = await lab.order();
  const { addresses } = await lab.attach(order);
  writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '0');
  assert.equal(addresses.length, 1);
  assert.equal(parseCidr(`${addresses[0]}/32`)?.family, 4);
  await lab.detach(order);
});
