import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { ContainerState, NamespaceMode, PodSandboxState, Signal } from '../../src/gen/cri/api.ts';
import { Pods, ownNetwork, podStory } from '../support/pods.ts';
import { story } from '../support/daemon.ts';

const isLong = process.env['BERTH_TEST_LONG'] === '1';

podStory('two containers of a pod share its address, name, shared memory and files', ownNetwork, async (pods) => {
  const config = pods.config({
    hostname: 'harbour',
    dnsConfig: { servers: ['10.1.2.3'], searches: ['a.b'], options: ['ndots:3'] },
  });
  const pod = await pods.run(config);
  const { network } = await pods.podStatus(pod);
  const ids = [];
  for (const name of ['one', 'two']) {
    const container = pods.container('sleep 1000', { metadata: { name, attempt: 0 }, logPath: `${name}.log` });
    const id = await pods.create(pod, config, container);
    await pods.start(id);
    ids.push(id);
  }
  const [one = '', two = ''] = ids;

  await pods.exec(one, 'sh', '-c', 'echo shared > /dev/shm/note; nc -l -p 9000 -e echo hello >/dev/null 2>&1 &');

  assert.match(network?.ip ?? '', /^\d+\.\d+\.\d+\.\d+$/);
  assert.equal(await pods.exec(two, 'cat', '/dev/shm/note'), 'shared\n');
  assert.equal(await pods.exec(two, 'hostname'), 'harbour\n');
  assert.match(await pods.exec(two, 'cat', '/etc/hosts'), new RegExp(`${network?.ip ?? ''}\\s+harbour`));
  assert.equal(await pods.exec(two, 'cat', '/etc/resolv.conf'), 'search a.b\nnameserver 10.1.2.3\noptions ndots:3\n');
  assert.match(await pods.exec(two, 'ip', 'addr'), new RegExp(network?.ip ?? 'none'));
  assert.equal(
    await pods.exec(one, 'busybox', 'readlink', '/proc/self/ns/net'),
    await pods.exec(two, 'busybox', 'readlink', '/proc/self/ns/net'),
  );

  await pods.stop(pod);
  assert.equal((await pods.podStatus(pod)).state, PodSandboxState.SANDBOX_NOTREADY);
  assert.deepEqual(
    [(await pods.status(one)).state, (await pods.status(two)).exitCode],
    [ContainerState.CONTAINER_EXITED, 137],
  );
  await pods.remove(pod);
  assert.deepEqual((await pods.cri.runtime.listContainers({ filter: undefined })).containers, []);
});

podStory('containers that share a PID namespace see each other, and end together', ownNetwork, async (pods, daemon) => {
  const { POD } = NamespaceMode;
  const config = pods.config({}, { pid: POD });
  const pod = await pods.run(config);
  const ids = [];
  for (const name of ['one', 'two']) {
    const container = pods.container(
      `sleep 10${name.length}00 & wait`,
      { metadata: { name, attempt: 0 }, logPath: `${name}.log` },
      { pid: POD },
    );
    ids.push(await pods.create(pod, config, container));
  }
  const [one = '', two = ''] = ids;
  await Promise.all([pods.start(one), pods.start(two)]);

  assert.equal(sleepers(await pods.exec(one, 'ps')), 2);
  const { containers } = await pods.cri.runtime.listContainers({ filter: undefined });
  assert.equal(containers.length, 2, 'nobody sees the container that keeps the namespace');

  await pods.cri.runtime.stopContainer({ containerId: one, timeout: 0n });
  assert.equal(sleepers(await pods.exec(two, 'ps')), 1, 'what it started has ended with it');
  const [infra] = processesNamed(daemon.root, 'catatonit');
  assert.ok(infra !== undefined);
  process.kill(infra, 'SIGKILL');
  const status = await pods.untilExited(two);
  assert.equal(status.exitCode, 137);
  while ((await pods.podStatus(pod)).state !== PodSandboxState.SANDBOX_NOTREADY) await sleepFor(10);
  const history = await daemon.history(two);
  assert.equal(
    (history.find(({ type }) => type === 'container.exited')?.body['exit'] as { cause: string } | undefined)?.cause,
    'sandbox',
  );
  await pods.remove(pod);
});

function sleepers(table: string): number {
  return table.match(/ sleep 10300$/gm)?.filter((line) => !line.includes('-c')).length ?? 0;
}

/** The first processes of this daemon's containers that are called so. */
function processesNamed(root: string, name: string): number[] {
  const pids = globSync(`${root}/run/runs/*/*/pid`).map((file) => Number(readFileSync(file, 'utf8')));
  return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').includes(name));
}

podStory('what was stopped, removed or never there can be stopped and removed again', {}, async (pods) => {
  const { runtime } = pods.cri;
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const { pod, container } = await pods.launch('sleep 1000', { config });
  for (let again = 0; again < 2; again += 1) {
    await runtime.stopContainer({ containerId: container, timeout: 0n });
    await pods.stop(pod);
  }
  for (let again = 0; again < 2; again += 1) {
    await runtime.removeContainer({ containerId: container });
    await pods.remove(pod);
  }
  await runtime.stopContainer({ containerId: 'f'.repeat(64), timeout: 0n });
  await pods.stop('f'.repeat(64));
  await assert.rejects(pods.stop(''), { code: 3 });
});

podStory(
  'a kubelet that asks again after its deadline gets the pod that was being made',
  { ...ownNetwork, fail: 'sandbox.attach.before:sleep:1500' },
  async (pods) => {
    const config = pods.config();
    const impatient = pods.cri.runtime.runPodSandbox({ config, runtimeHandler: '' }, { timeoutMs: 300 });
    await assert.rejects(impatient, { code: 4 });

    const pod = await pods.run(config);

    assert.equal(await pods.run(config), pod, 'and again for a while');
    const { items } = await pods.cri.runtime.listPodSandbox({ filter: undefined });
    assert.equal(items.length, 1);
    await assert.rejects(pods.run({ ...config, hostname: 'other' }), { code: 6, message: /it is ready, made/ });
    await pods.remove(pod);
  },
);

/** The daemon is told to have been started in another boot: everything that a boot takes along is gone by then. */
function reboot(root: string): void {
  writeFileSync(`${root}/boot_id`, `${crypto.randomUUID()}\n`);
}

const countOfL15 = isLong ? 100 : 20;
/** What a boot takes along is in the mount namespace of the daemon: the next one has another. */
const OTHER_BOOT = `[ -e ROOT/boot_id ] || cp /proc/sys/kernel/random/boot_id ROOT/boot_id
mount --bind ROOT/boot_id /proc/sys/kernel/random/boot_id
ip link set lo up && exec "$@"`;

/** Its addresses are files on a disk, which no reboot takes along. */
const HOST_LOCAL = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "pods0", "isGateway": true,
  "ipam": {"type": "host-local", "dataDir": "ROOT/networks", "ranges": [[{"subnet": "10.77.0.0/24"}]]}
}]}`;

/** L15 */
story(
  `after a reboot nothing of ${countOfL15} pods is held any more`,
  {
    config: '[network]\nconf_dir = "ROOT"',
    programs: { 'boot.sh': OTHER_BOOT, '10-pods.conflist': HOST_LOCAL },
    wrap: ['unshare', '--net', '--mount', '--propagation', 'private', '--', 'sh', 'ROOT/boot.sh'],
  },
  async (daemon) => {
    using pods = new Pods(daemon);
    const ids: string[] = [];
    const configs = Array.from({ length: countOfL15 }, () => pods.config());
    await Promise.all(configs.map(async (config) => ids.push(await pods.run(config))));
    const before = leases(daemon.root);
    await daemon.kill();
    reboot(daemon.root);
    await daemon.boot();
    await daemon.untilRecovered();
    using after = new Pods(daemon);

    const { items } = await after.cri.runtime.listPodSandbox({ filter: undefined });

    assert.equal(before.length, countOfL15);
    assert.deepEqual(leases(daemon.root), [], 'every address is free');
    assert.equal(items.length, countOfL15);
    assert.ok(items.every(({ state }) => state === PodSandboxState.SANDBOX_NOTREADY));
    for (const { id } of items) await after.remove(id);
    const again = await after.run(after.config());
    await after.remove(again);
    assert.deepEqual(await daemon.get('/v1/debts'), { debts: [] });
  },
);

/** The addresses that host-local keeps as files. */
function leases(root: string): string[] {
  const found = execFileSync('find', [root, '-type', 'f', '-name', '10.[0-9]*.[0-9]*.[0-9]*'], {
    encoding: 'utf8',
  });
  return found.split('\n').filter(Boolean);
}

const STUBBORN = `#!/bin/sh
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'$CNI_NETNS'"}],"ips":[{"address":"10.9.8.7/24","interface":0}]}' ;;
DEL) [ -e ROOT/healed ] || { echo '{"cniVersion":"1.0.0","code":999,"msg":"switch is on fire"}'; exit 1; } ;;
esac
`;
const stubborn = {
  wrap: ownNetwork.wrap ?? [],
  config: '[network]\nconf_dir = "ROOT/net.d"\nplugin_dirs = ["ROOT"]',
  programs: { stubborn: STUBBORN },
};

/** L14 */
podStory(
  'a network that cannot be detached: processes stop, the name is free, and one debt says why',
  stubborn,
  async (pods, daemon) => {
    mkdirSync(`${daemon.root}/net.d`);
    writeFileSync(
      `${daemon.root}/net.d/10.conflist`,
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"stubborn"}]}',
    );
    while (!(await networkReady(pods))) await sleepFor(20);
    const { pod, config } = await pods.launch('sleep 1000');

    await pods.stop(pod);
    await pods.remove(pod);
    const { metadata = { name: '', namespace: '', uid: '', attempt: 0 } } = config;
    const again = await pods.run({ ...config, metadata: { ...metadata, attempt: 1 } });

    const { debts } = await daemon.get<{ debts: { kind: string; lastError: string; sandbox: string }[] }>('/v1/debts');
    assert.equal(debts.length, 1);
    assert.match(debts[0]?.lastError ?? '', /switch is on fire/);
    writeFileSync(`${daemon.root}/healed`, '');
    const healedAt = performance.now();
    await pods.remove(again);
    while ((await daemon.get<{ debts: unknown[] }>('/v1/debts')).debts.length > 0) await sleepFor(50);
    assert.ok(performance.now() - healedAt < 60_000);
  },
);

async function networkReady(pods: Pods): Promise<boolean> {
  const { status } = await pods.cri.runtime.status({ verbose: false });
  return status?.conditions.find(({ type }) => type === 'NetworkReady')?.status === true;
}

/** L19 */
podStory('for each signal that the CRI knows the container gets exactly that one', {}, async (pods) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const pod = await pods.run(config);
  // It waits without children: the end of one is a signal too.
  const script = `mkfifo /fifo; exec 3<>/fifo
for n in $(seq 1 64); do trap "echo got $n; exit 0" $n 2>/dev/null; done; echo ready; while :; do read line <&3; done`;
  const uncatchable = new Set([Signal.SIGKILL, Signal.SIGSTOP, Signal.RUNTIME_DEFAULT] as number[]);
  const signals = Object.entries(Signal).filter(([name, value]) => name !== 'UNRECOGNIZED' && !uncatchable.has(value));
  assert.ok(signals.length > 60);
  await Promise.all(
    signals.map(async ([name, stopSignal], index) => {
      const container = pods.container(script, {
        stopSignal,
        metadata: { name: `c${index}`, attempt: 0 },
        logPath: `${name}.log`,
      });
      const id = await pods.create(pod, config, container);
      await pods.start(id);
      const log = (await pods.status(id)).logPath;
      while (!readFileSync(log, 'utf8').includes('ready')) await sleepFor(10);
      await pods.cri.runtime.stopContainer({ containerId: id, timeout: 30n });
      assert.deepEqual(readFileSync(log, 'utf8').match(/got \d+/g), [`got ${numberOf(name)}`], name);
    }),
  );
  await pods.remove(pod);
});

/** @see signal(7); real-time signals count from 34 in the C library */
function numberOf(name: string): number {
  const [, end, , offset = '0'] = /^SIGRT(MIN|MAX)(PLUS|MINUS)?(\d+)?$/.exec(name) ?? [];
  if (end === 'MIN') return 34 + Number(offset);
  if (end === 'MAX') return 64 - Number(offset);
  return constants.signals[name === 'SIGCLD' ? 'SIGCHLD' : (name as NodeJS.Signals)];
}

/** L6 */
const slowUnmountMs = isLong ? 30_000 : 3_000;
podStory(
  'an exit is told at once, however long its root takes to be unmounted',
  { fail: `clean.rootfs.before:sleep:${slowUnmountMs}` },
  async (pods, daemon) => {
    const config = pods.config({}, { network: NamespaceMode.NODE });
    const { pod, container } = await pods.launch('sleep 0.3; exit 7', { config });
    const [pid] = daemon.cgroupOf(container).pids();
    while (
      pid !== undefined &&
      existsSync(`/proc/${pid}`) &&
      !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z')
    )
      await sleepFor(1);
    const endedAt = performance.now();

    const status = await pods.untilExited(container);

    assert.ok(performance.now() - endedAt < 200, `exited was seen after ${performance.now() - endedAt} ms`);
    assert.equal(status.exitCode, 7);
    await daemon.untilClean(container);
    assert.ok(performance.now() - endedAt < slowUnmountMs + 1_000);
    const types = (await daemon.history(container)).map(({ type }) => type);
    assert.equal(types.filter((type) => type === 'container.exited').length, 1);
    assert.equal(types.filter((type) => type === 'container.cleaned').length, 1);
    await pods.remove(pod);
  },
);

/** L11 */
podStory('every byte that was printed before the exit is in the log, also while it is rotated', {}, async (pods) => {
  const lines = isLong ? 400_000 : 40_000;
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const { pod, container } = await pods.launch(`seq 1 ${lines}; printf end`, { config });
  const log = (await pods.status(container)).logPath;
  const files: string[] = [];
  for (let state; state !== ContainerState.CONTAINER_EXITED; { state } = await pods.status(container)) {
    const old = `${log}.${files.length}`;
    renameSync(log, old);
    files.push(old);
    try {
      await pods.cri.runtime.reopenContainerLog({ containerId: container });
    } catch (error) {
      if ((error as { code: number }).code !== 9) throw error;
      break; // it is ending
    }
  }

  await pods.untilExited(container);
  const text = [...files, log]
    .filter(existsSync)
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  const printed = text
    .split('\n')
    .filter(Boolean)
    .map((line) => /^\S+ stdout (P|F) (.*)$/.exec(line))
    .map((match) => `${match?.[2] ?? 'torn line'}${match?.[1] === 'F' ? '\n' : ''}`)
    .join('');
  const expected = `${Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join('')}end`;
  assert.ok(
    printed === expected,
    `${printed.length} of ${expected.length} characters, first difference is not at the end`,
  );
  await pods.remove(pod);
});

/** 20 pods at once, made and removed, with a network. */
podStory('many pods at once, again and again, leave nothing', ownNetwork, async (pods, daemon) => {
  const rounds = isLong ? 10 : 2;
  for (let round = 0; round < rounds; round += 1) {
    const configs = Array.from({ length: 20 }, () => pods.config());
    const ids = await Promise.all(configs.map((config) => pods.run(config)));
    const addresses = await Promise.all(ids.map(async (id) => (await pods.podStatus(id)).network?.ip));
    assert.equal(new Set(addresses).size, 20, 'each has an address of its own');
    await Promise.all(
      ids.map(async (id) => {
        await pods.stop(id);
        await pods.remove(id);
      }),
    );
    assert.deepEqual(leases(daemon.root), []);
    assert.deepEqual(
      daemon.mounts().filter((line) => line.includes('/netns/')),
      [],
    );
  }
});

podStory('a pod, its containers and its network survive a daemon that is killed', ownNetwork, async (pods, daemon) => {
  const { pod, container, config } = await pods.launch('trap "echo bye; exit 5" TERM; while :; do sleep 0.05; done');
  const { network } = await pods.podStatus(pod);

  await daemon.kill();
  await daemon.boot();
  using later = new Pods(daemon);

  assert.deepEqual((await later.podStatus(pod)).network, network);
  assert.equal((await later.podStatus(pod)).state, PodSandboxState.SANDBOX_READY);
  await later.cri.runtime.stopContainer({ containerId: container, timeout: 10n });
  assert.equal((await later.status(container)).exitCode, 5);
  const other = await later.create(pod, config, later.container('exit 0', { metadata: { name: 'other', attempt: 0 } }));
  await later.start(other);
  await later.untilExited(other);
  await later.remove(pod);
});
