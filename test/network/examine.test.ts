import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examineNetwork } from '../../src/network/index.ts';
import { BRIDGE, NetworkLab } from '../support/network-lab.ts';
import { sh } from '../support/private-host.ts';

const SETTINGS = {
  conf_dir: '/run/lab/net.d',
  plugin_dirs: ['/run/lab/plugins', '/usr/lib/cni'],
  builtin: false,
  subnet: '10.83.0.0/16',
  subnet6: 'fd62:6572:7468::/64',
};

/** One line for each finding. */
async function found(settings: Partial<typeof SETTINGS> = {}): Promise<string[]> {
  const findings = await examineNetwork({ ...SETTINGS, ...settings });
  return findings.map(({ level, text }) => `${level}: ${text}`);
}

test('whether pods would get a network is told, and why not', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  assert.deepEqual(await found(), [
    'ok: Pods get no network: in /run/lab/net.d, no file in it ends in .conflist, .conf or .json',
  ]);
  assert.deepEqual(await found({ builtin: true }), ['ok: Pods get the built-in network']);
  const [overlap] = await found({ builtin: true, subnet: '192.168.77.0/24' });
  assert.match(
    overlap ?? '',
    /^error: The built-in network cannot be used: network\.subnet 192\.168\.77\.0\/24 overlaps/,
  );
  lab.writeConfig('10-lab.conflist', '{');
  assert.match(
    (await found())[0] ?? '',
    /^error: Network configuration .*10-lab\.conflist cannot be used: it is not JSON/,
  );

  sh('sysctl -qw net.ipv4.ip_forward=1');
  await lab.configure([BRIDGE]);
  assert.deepEqual(await found(), ['ok: Pods get network "lab" of /run/lab/net.d/10-lab.conflist']);
});

test('what stands in the way of a network by configuration is told', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([{ ...BRIDGE, ipam: { type: 'whereabouts' } }, { type: 'nowhere' }]);
  sh('sysctl -qw net.ipv4.ip_forward=0');
  sh('iptables -P FORWARD DROP');

  assert.deepEqual(await found(), [
    'error: Network plugin "whereabouts" of network "lab" is not in /run/lab/plugins, /usr/lib/cni',
    'error: Network plugin "nowhere" of network "lab" is not in /run/lab/plugins, /usr/lib/cni',
    'warning: Network "lab" is configured, and IPv4 forwarding is off: pods may reach nothing but this host',
    'warning: Chain "ip filter FORWARD" drops what it has no rule for: pods of network "lab" may reach nothing',
  ]);
  sh('iptables -P FORWARD ACCEPT; nft delete table ip filter');
});
