import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import type { PodSandboxConfig } from '../../src/gen/cri/api.ts';
import {
  LinuxContainerConfig,
  LinuxContainerSecurityContext,
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
  Mount,
  NamespaceMode,
  NamespaceOption,
  UserNamespace,
} from '../../src/gen/cri/api.ts';
import { message } from '../support/cri.ts';
import type { Daemon } from '../support/daemon.ts';
import { podStory } from '../support/pods.ts';
import type { Pods } from '../support/pods.ts';

type Mode = (typeof NamespaceMode)[keyof typeof NamespaceMode];
const { POD, CONTAINER, NODE, TARGET } = NamespaceMode;
const RANGE = [{ containerId: 0, hostId: 200_000, length: 65_536 }];

function options(pid: Mode = CONTAINER, range = RANGE): NamespaceOption {
  const usernsOptions = message(UserNamespace, { mode: POD, uids: range, gids: range });
  return message(NamespaceOption, { network: NODE, pid, ipc: POD, usernsOptions });
}

function podConfig(pods: Pods, pid?: Mode, range?: typeof RANGE): PodSandboxConfig {
  const securityContext = message(LinuxSandboxSecurityContext, { namespaceOptions: options(pid, range) });
  return pods.config({ linux: message(LinuxPodSandboxConfig, { securityContext }) });
}

function linux(
  given: Partial<LinuxContainerSecurityContext> = {},
  pid?: Mode,
  range?: typeof RANGE,
): LinuxContainerConfig {
  const namespaceOptions = options(pid, range);
  return message(LinuxContainerConfig, {
    securityContext: message(LinuxContainerSecurityContext, { namespaceOptions, ...given }),
  });
}

/** As a host's /run is: the runtime goes to a container's root as the pod's own root. */
function userStory(name: string, body: (pods: Pods, daemon: Daemon) => Promise<void>): void {
  podStory(name, {}, async (pods, daemon) => {
    chmodSync(daemon.root, 0o711);
    await body(pods, daemon);
  });
}

async function removePods(pods: Pods): Promise<void> {
  const { items } = await pods.cri.runtime.listPodSandbox({ filter: undefined });
  for (const { id } of items) await pods.remove(id);
}

userStory('root of a pod with users of its own is nobody on the host', async (pods, daemon) => {
  const config = podConfig(pods);
  const { container, pod } = await pods.launch('exec sleep 1000', { config, container: { linux: linux() } });

  assert.match(await pods.exec(container, 'cat', '/proc/self/uid_map'), /^\s+0\s+200000\s+65536\n$/);
  const { pid } = await infoOf(pods, container);
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\t200000\t200000\t200000\t200000$/m);
  assert.match(
    await pods.exec(container, 'ls', '-lnd', '/', '/bin/busybox', '/etc/hosts'),
    /^(\S+ +\d+ 0 +0 .*\n){3}$/,
  );
  await pods.exec(container, 'sh', '-c', 'echo x >/new; chown 5:6 /new; echo y >>/etc/hosts; echo z >/dev/shm/z');
  assert.match(await pods.exec(container, 'ls', '-ln', '/new'), / 5 +6 /);
  assert.match(await pods.exec(container, 'ls', '-ln', '/dev/shm/z'), / 0 +0 /);
  assert.equal(statSync(`/proc/${pid}/root/new`).uid, 200_005);
  assert.equal(statSync(`${daemon.root}/state/snapshots/c/${container}/upper/new`).uid, 200_005);
  assert.equal((await pods.podStatus(pod)).linux?.namespaces?.options?.usernsOptions?.mode, POD);
  await pods.remove(pod);
});

interface Info {
  readonly pid: number;
}

async function infoOf(pods: Pods, containerId: string): Promise<Info> {
  const { info } = await pods.cri.runtime.containerStatus({ containerId, verbose: true });
  return JSON.parse(info['info'] ?? '') as Info;
}

userStory('its processes can open their standard streams by name, whoever they run as', async (pods) => {
  const config = podConfig(pods);
  const pod = await pods.run(config);
  for (const user of [0n, 1_000n]) {
    const security = linux({ runAsUser: { value: user }, runAsGroup: { value: user } });
    const script = 'echo out >/dev/stdout; echo err >/dev/stderr; exec sleep 1000';
    const name = `user-${user}`;
    const given = { linux: security, metadata: { name, attempt: 0 }, logPath: `${name}.log` };
    const container = await pods.create(pod, config, pods.container(script, given));
    await pods.start(container);
    assert.equal(
      await pods.exec(container, 'sh', '-c', 'echo out >/dev/stdout; cat </dev/stdin; id -u'),
      `out\n${user}\n`,
    );
    await pods.cri.runtime.stopContainer({ containerId: container, timeout: 0n });
    const log = readFileSync((await pods.status(container)).logPath, 'utf8');
    assert.match(log, /stdout F out\n.* stderr F err\n/);
  }
  assert.equal(statSync('/dev/null').uid, 0);
  await pods.remove(pod);
});

userStory('the files of a volume are those of the pod’s users where that was asked for', async (pods, daemon) => {
  const source = `${daemon.root}/volume`;
  mkdirSync(source);
  writeFileSync(`${source}/secret`, 'kept\n', { mode: 0o600 });
  const mappings = { uidMappings: RANGE, gidMappings: RANGE };
  const mounts = [
    message(Mount, { hostPath: source, containerPath: '/mapped', ...mappings }),
    message(Mount, { hostPath: source, containerPath: '/plain' }),
  ];
  const config = podConfig(pods);
  const { container, pod } = await pods.launch('exec sleep 1000', { config, container: { linux: linux(), mounts } });

  assert.equal(await pods.exec(container, 'cat', '/mapped/secret'), 'kept\n');
  assert.match(await pods.exec(container, 'sh', '-c', 'cat /plain/secret 2>&1; true'), /Permission denied/);
  assert.match(await pods.exec(container, 'ls', '-ln', '/plain/secret'), / 65534 +65534 /);
  await pods.exec(container, 'sh', '-c', 'echo >/mapped/new; chown 7:8 /mapped/new');
  const { uid, gid } = statSync(`${source}/new`);
  assert.deepEqual([uid, gid], [7, 8]);
  await pods.remove(pod);
});

userStory('what is mounted below a volume is there as well', async (pods, daemon) => {
  const source = `${daemon.root}/volume`;
  mkdirSync(`${source}/sub`, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', 'berth-test', `${source}/sub`]);
  try {
    mkdirSync(`${source}/sub/deep dir`);
    execFileSync('mount', ['-t', 'tmpfs', 'berth-test', `${source}/sub/deep dir`]);
    writeFileSync(`${source}/sub/deep dir/file`, 'deep\n', { mode: 0o644 });
    const given = { hostPath: source, containerPath: '/data', readonly: true, recursiveReadOnly: true };
    const mounts = [message(Mount, { ...given, uidMappings: RANGE, gidMappings: RANGE })];
    const config = podConfig(pods);
    const { container, pod } = await pods.launch('exec sleep 1000', { config, container: { linux: linux(), mounts } });

    assert.equal(await pods.exec(container, 'cat', '/data/sub/deep dir/file'), 'deep\n');
    const touch = 'for each in /data /data/sub "/data/sub/deep dir"; do touch "$each/new" 2>&1; done; true';
    assert.match(await pods.exec(container, 'sh', '-c', touch), /^(.*Read-only file system\n){3}$/);
    await pods.remove(pod);
  } finally {
    execFileSync('umount', ['-R', '-l', `${source}/sub`]);
  }
});

userStory('pods with users of their own share an image, and its files are each one’s', async (pods, daemon) => {
  const other = [{ containerId: 0, hostId: 300_000, length: 65_536 }];
  const seen = [];
  for (const range of [RANGE, other]) {
    const config = podConfig(pods, CONTAINER, range);
    const container = { linux: linux({}, CONTAINER, range) };
    const { container: id } = await pods.launch('touch /mine; exec sleep 1000', { config, container });
    seen.push(await pods.exec(id, 'ls', '-lnd', '/bin', '/mine'));
    assert.equal(statSync(`/proc/${(await infoOf(pods, id)).pid}/root/bin`).uid, range[0]?.hostId);
  }
  for (const each of seen) assert.match(each, /^(\S+ +\d+ 0 +0 .*\n){2}$/);
  const layers = `${daemon.root}/state/snapshots/l`;
  for (const name of readdirSync(layers))
    assert.equal(statSync(`${layers}/${name}`).uid, 0, 'the layers are as they were');
  await removePods(pods);
});

userStory('containers of a pod with users of its own share processes, and look into each other', async (pods) => {
  const config = podConfig(pods, POD);
  const pod = await pods.run(config);
  const ids = [];
  for (const name of ['one', 'two']) {
    const given = { linux: linux({}, POD), metadata: { name, attempt: 0 }, logPath: `${name}.log` };
    const id = await pods.create(pod, config, pods.container(`sleep 10${name.length}00 & wait`, given));
    await pods.start(id);
    ids.push(id);
  }
  assert.match(await pods.exec(ids[0] ?? '', 'ps'), /sleep 10300[^]*sleep 10300/);
  assert.match(await pods.exec(ids[0] ?? '', 'cat', '/proc/1/uid_map'), /200000/);

  const target = message(NamespaceOption, { ...options(), pid: TARGET, targetId: ids[1] ?? '' });
  const given = {
    linux: linux({ namespaceOptions: target }),
    metadata: { name: 'debug', attempt: 0 },
    logPath: 'd.log',
  };
  const debug = await pods.create(pod, config, pods.container('exec sleep 2000', given));
  await pods.start(debug);
  assert.match(await pods.exec(debug, 'ps'), /sleep 10300/);
  await pods.remove(pod);
});

userStory('a daemon that died takes such a pod up again', async (pods, daemon) => {
  const config = podConfig(pods);
  const { container, pod } = await pods.launch('exec sleep 1000', { config, container: { linux: linux() } });
  await daemon.kill();
  await daemon.boot();

  assert.equal(await pods.exec(container, 'sh', '-c', 'id -u >/dev/stdout'), '0\n');
  const second = { linux: linux(), metadata: { name: 'second', attempt: 0 }, logPath: 'second.log' };
  const id = await pods.create(pod, config, pods.container('exec sleep 1000', second));
  await pods.start(id);
  assert.match(await pods.exec(id, 'cat', '/proc/self/uid_map'), /200000/);
  await pods.remove(pod);
});

userStory('a user that the pod does not have is refused before anything is made', async (pods) => {
  const config = podConfig(pods);
  const pod = await pods.run(config);
  const container = pods.container('true', { linux: linux({ runAsUser: { value: 70_000n } }) });
  await assert.rejects(pods.create(pod, config, container), { code: 3, message: /user 70000: its sandbox has users/ });
  assert.deepEqual((await pods.cri.runtime.listContainers({ filter: undefined })).containers, []);
  await pods.remove(pod);
});
