import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseConfig, readConfig } from '../../../src/daemon/config.ts';
import { registrySettings } from '../../../src/daemon/registry-settings.ts';

test('an empty configuration is the defaults', () => {
  const config = parseConfig('');
  assert.equal(config.stop.grace, 10_000);
  assert.equal(config.api.socket, '/run/berth/berth.sock');
  assert.deepEqual(config.runtime.handlers, { crun: { path: 'crun' } });
});

test('the sockets follow the run folder', () => {
  const { api, cri } = parseConfig('[paths]\nrun = "/tmp/r"');
  assert.deepEqual([api.socket, cri.socket], ['/tmp/r/berth.sock', '/tmp/r/cri.sock']);
});

test('a daemon with a run folder of its own has its network namespaces in it', () => {
  assert.equal(parseConfig('').network.netns_dir, '/run/netns');
  assert.equal(parseConfig('[paths]\nrun = "/tmp/r"').network.netns_dir, '/tmp/r/netns');
});

for (const [text, message] of [
  ['[stop]\ngrase = "1s"', /"stop\.grase" is not known: did you mean "grace"\?/],
  ['[stopp]', /"stopp" is not known: did you mean "stop"\?/],
  ['[stop]\ngrace = 10', /"stop\.grace" is 10: must be string/],
  ['[stop]\ngrace = "soon"', /"stop\.grace" is "soon": must be a duration like "10s"/],
  ['[stop]\nignored_signal = "maybe"', /"stop\.ignored_signal" is "maybe": must be/],
  ['[paths]\nstate = "relative"', /"paths\.state" is .*: must be an absolute path/],
  ['[runtime]\ndefault = "runc"', /"runtime\.default" is "runc": must be one of crun/],
  ['[images]\nlargest_unpacked = "huge"', /must be a size like "64G"/],
  ['[events]\nkeep = 0', /"events\.keep" is 0: must be >=1/],
  ['[pull]\nconfig_path = "certs.d"', /must be absolute paths with ":" between them/],
  [
    '[registries."docker.io"]\nmirror = ["x"]',
    /"registries\.docker\.io\.mirror" is not known: did you mean "mirrors"\?/,
  ],
  ['[registries."docker.io"]\nca = ["ca.pem"]', /must be an absolute path/],
  [
    '[network]\nsubnet = "10.83.0.0"',
    /"network\.subnet" is "10\.83\.0\.0": must be an IPv4 network like "10\.83\.0\.0\/16"/,
  ],
  ['[network]\nsubnet = "10.83.0.0/31"', /"network\.subnet" is .*: must be an IPv4 network/],
  ['[network]\nsubnet6 = "10.83.0.0/16"', /"network\.subnet6" is .*: must be an IPv6 network/],
  ['[network]\nplugin_dirs = ["bin"]', /"network\.plugin_dirs\.0" is "bin": must be an absolute path/],
  ['stop = ', /Cannot read my\.toml: /],
] as const) {
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseConfig(text, 'my.toml'), { code: 'InvalidArgument', message });
  });
}

test('a configuration that was asked for must be there', () => {
  assert.throws(() => readConfig('/nowhere/config.toml'), { code: 'NotFound', message: /no such file/ });
});

test('the packaged configuration names every key, each with its default, and berth accepts it', () => {
  const text = readFileSync(new URL('../../../packaging/config.toml', import.meta.url), 'utf8');
  // every key stands there as a comment with its default: without the marks it is the whole configuration
  const uncommented = text.replace(/^# ?(\[[\w.]+\]|\w+ = .*)$/gm, '$1');
  assert.deepEqual(parseConfig(uncommented), parseConfig(''));
  assert.deepEqual(parseConfig(text), parseConfig(''));
  const keys = (value: object, prefix = ''): string[] =>
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? keys(inner as object, `${prefix}${key}.`)
        : [`${prefix}${key}`],
    );
  for (const key of keys(parseConfig(''))) assert.match(text, new RegExp(`^# ?${key.split('.').at(-1)} = `, 'm'), key);
});

test('the tables for registries that the packaged configuration shows are accepted', () => {
  const text = readFileSync(new URL('../../../packaging/config.toml', import.meta.url), 'utf8');
  const example = [...text.matchAll(/^# {3}(.*)$/gm)].map(([, line]) => line).join('\n');

  const { registries } = registrySettings(parseConfig(example));

  assert.deepEqual(Object.keys(registries), ['docker.io', 'mirror.example.org:5000']);
  assert.equal(registries['docker.io']?.mirrors.length, 3);
  assert.deepEqual(registries['mirror.example.org:5000']?.ca, ['/etc/berth/mirror-ca.pem']);
});

test('several folders for registries may stand in one text', () => {
  const config = parseConfig('[pull]\nconfig_path = "/etc/containerd/certs.d:/etc/docker/certs.d"');
  assert.deepEqual(config.pull.config_path, ['/etc/containerd/certs.d', '/etc/docker/certs.d']);
});

test('a registry is named by its host alone', () => {
  const config = parseConfig('[registries."https://docker.io"]');
  assert.throws(() => registrySettings(config), { code: 'InvalidArgument', message: /must be a host/ });
});
