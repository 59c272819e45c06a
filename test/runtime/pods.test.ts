import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { newId } from '../../src/base/ids.ts';
import type { ContainerSpec } from '../../src/engine/container/spec.ts';
import type { NamespacePins, SandboxSpec } from '../../src/engine/sandbox/state.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { readStat } from '../../src/linux/process.ts';
import { boundingCapabilities } from '../../src/runtime/capabilities.ts';
import type { Driver, StartedRun } from '../support/driver.ts';
import { driverTest } from '../support/driver.ts';
import { layout } from '../support/process-in-cgroup.ts';
import { allowance } from '../support/scale.ts';
import { containerRow, containerSpec, sandboxRow } from '../support/rows.ts';

const TERM = 15;
const KILL = 9;

interface Pod {
  readonly sandbox: SandboxSpec;
  readonly pins: NamespacePins;
}

async function makePod(driver: Driver, given: Partial<SandboxSpec> = {}): Promise<Pod> {
  const { owner: _, ...spec } = sandboxRow(containerRow({})).spec;
  const sandbox: SandboxSpec = { ...spec, id: newId(), network: 'none', hostname: 'my-pod', ...given };
  const pins = driver.namespaces.plan(sandbox, ['net', 'ipc', 'uts', 'shm']);
  await driver.namespaces.create(sandbox, pins);
  return { sandbox, pins };
}

/** A program for a container: a shell script. */
function running(script: string): Pick<ContainerSpec, 'process'> {
  return { process: { ...containerSpec({}).process, args: ['/bin/sh', '-c', script] } };
}

const startInfra = (driver: Driver, pod: Pod): Promise<StartedRun> => driver.start({ role: 'infra' }, pod);

/** A container that shares the infra container's PID namespace, and runs until it is killed. */
function startMate(driver: Driver, pod: Pod, { init }: StartedRun, script = 'sleep 1000'): Promise<StartedRun> {
  return driver.start({ ...running(script), pid: 'sandbox' }, { ...pod, pidOf: init });
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleepFor(5);
}

driverTest(
  'containers of a pod share its network, its name and its memory, and nothing with other pods',
  async (driver) => {
    const [pod, other] = [await makePod(driver), await makePod(driver, { hostname: 'other' })];
    const server = await driver.start(running('echo kept >/dev/shm/file; nc -l -p 8000 >/dev/null'), pod);
    const look = 'hostname; cat /dev/shm/file; echo | nc 127.0.0.1 8000 && echo connected';
    await until(() => existsSync(`${pod.pins.shm}/file`));
    await sleepFor(100); // its server listens by then

    assert.equal(
      await driver.output(look, {}, other),
      "other\ncat: can't open '/dev/shm/file': No such file or directory\nnc: can't connect to remote host (127.0.0.1): Connection refused\n",
    );
    assert.equal(await driver.output(look, {}, pod), 'my-pod\nkept\nconnected\n');

    await driver.clean(server.run);
    for (const { sandbox, pins } of [pod, other]) await driver.namespaces.remove(sandbox.id, pins);
  },
);

driverTest('a container that is alone has memory of its own, of the size that it asked for', async (driver) => {
  const out = await driver.output('grep /dev/shm /proc/mounts', { shmSizeBytes: 1 << 20 });
  assert.match(out, /^shm \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k/);
});

driverTest('a container in the host’s IPC namespace has the host’s shared memory', async (driver) => {
  const name = `berth-test-${newId().slice(0, 12)}`;
  writeFileSync(`/dev/shm/${name}`, 'of the host');
  try {
    assert.equal(await driver.output(`cat /dev/shm/${name}`, {}, { sandbox: { ipc: 'host' } }), 'of the host');
  } finally {
    rmSync(`/dev/shm/${name}`);
  }
});

driverTest(
  'containers have their sandbox’s files in /etc, unless something of their own is mounted there',
  async (driver) => {
    const dns = { servers: ['10.10.10.10'], searches: [], options: [] };
    const pod = await makePod(driver, { dns });
    writeFileSync(`${driver.root}/own-hosts`, 'of its own\n');
    const own = { kind: 'bind', source: `${driver.root}/own-hosts`, target: '/etc/hosts' } as const;

    const look = 'cat /etc/hostname /etc/resolv.conf; tail -n 1 /etc/hosts';
    assert.equal(await driver.output(look, {}, pod), 'my-pod\nnameserver 10.10.10.10\n127.0.1.1\tmy-pod\n');
    assert.match(await driver.output(look, { mounts: [own] }, pod), /of its own\n$/);

    await driver.namespaces.remove(pod.sandbox.id, pod.pins);
    assert.equal(readFileSync(`${driver.root}/own-hosts`, 'utf8'), 'of its own\n');
  },
);

driverTest('an infra container can do nothing, and has nothing but its program', async (driver) => {
  const pod = await makePod(driver);
  const infra = await startInfra(driver, pod);
  const { pid } = infra.init;
  await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'catatonit\n'); // and not the runtime any more
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');

  for (const set of ['CapBnd', 'CapEff', 'CapPrm', 'CapInh', 'CapAmb'])
    assert.match(status, new RegExp(`${set}:\\s0+\n`));
  assert.match(status, /NoNewPrivs:\s1\n/);
  assert.match(status, /Seccomp:\s2\n/);
  assert.match(status, /Uid:\s65535\s65535/);
  assert.deepEqual(readdirSync(`/proc/${pid}/root`).toSorted(), ['catatonit', 'dev', 'proc']);
  assert.throws(() => writeFileSync(`/proc/${pid}/root/file`, ''), { code: 'EROFS' });
  assert.throws(() => writeFileSync(`/proc/${pid}/root/catatonit`, '', { flag: 'r+' }), /EROFS|ETXTBSY/);
  for (const kind of ['net', 'ipc', 'uts'] as const) {
    assert.equal(readlinkSync(`/proc/${pid}/ns/${kind}`), `${kind}:[${statSync(pod.pins[kind] ?? '').ino}]`);
  }
  assert.notEqual(readlinkSync(`/proc/${pid}/ns/pid`), readlinkSync('/proc/self/ns/pid'));
  await driver.clean(infra.run);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest('an infra container ends at once when it is told to', async (driver) => {
  for (const signal of [TERM, KILL]) {
    const infra = await driver.start({ role: 'infra' });
    await until(() => driver.runtime.viewSignal(infra.init, TERM)?.disposition !== 'default');
    const begunAt = performance.now();
    driver.runtime.signal(infra.run, infra.init, signal);
    await infra.watch.initEnded;
    assert.ok(performance.now() - begunAt < allowance(1_000), `${performance.now() - begunAt} ms`);
    await infra.watch.monitorEnded;
    assert.equal((await infra.watch.readExitFile())?.code, signal === KILL ? 137 : 0);
    await driver.clean(infra.run);
  }
});

driverTest(
  'containers that share a PID namespace see each other, and the infra container reaps their orphans',
  async (driver) => {
    const infra = await startInfra(driver, { sandbox: sandboxRow(containerRow({})).spec, pins: {} });
    const pod = { sandbox: sandboxRow(containerRow({})).spec, pins: {} };
    const one = await startMate(driver, pod, infra, '(sleep 3000 &); sleep 4000');
    const two = await startMate(driver, pod, infra, 'sleep 5000');

    const seen = await driver.exec(two.run, ['ps']);
    assert.match(seen.stdout, /^ +1 65535 +\/catatonit -P$/m);
    assert.match(seen.stdout, /sleep 4000/);
    assert.match(seen.stdout, /sleep 5000/);
    const children = (): string =>
      readFileSync(`/proc/${infra.init.pid}/task/${infra.init.pid}/children`, 'utf8').trim();
    await until(() => children() !== '');
    const orphan = Number(children());
    assert.equal(readStat(orphan)?.comm, 'sleep');
    process.kill(orphan, 'SIGKILL');
    await until(() => children() === '');
    assert.doesNotMatch((await driver.exec(two.run, ['ps'])).stdout, /\[sleep\]|sleep 3000/);
    for (const { run } of [one, two, infra]) await driver.clean(run);
  },
);

driverTest('to kill one container leaves those that share its PID namespace alone', async (driver) => {
  const pod = await makePod(driver);
  const infra = await startInfra(driver, pod);
  const one = await startMate(driver, pod, infra, 'sleep 1000 & sleep 1000');
  const two = await startMate(driver, pod, infra);

  driver.runtime.killAll(one.run);
  await one.watch.initEnded;
  await driver.clean(one.run);

  assert.deepEqual(
    [two, infra].map(({ init }) => driver.runtime.isAlive(init)),
    [true, true],
  );
  for (const { run } of [two, infra]) await driver.clean(run);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest('the end of the infra container is the end of all that share its PID namespace', async (driver) => {
  const pod = await makePod(driver);
  const infra = await startInfra(driver, pod);
  const mates = [await startMate(driver, pod, infra), await startMate(driver, pod, infra)];

  driver.runtime.signal(infra.run, infra.init, KILL);

  for (const { watch } of mates) await watch.monitorEnded;
  for (const { watch } of mates) assert.equal((await watch.readExitFile())?.code, 137);
  for (const { run } of [...mates, infra]) await driver.clean(run);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest('a container joins the PID namespace of another that it names', async (driver) => {
  const target = await driver.start(running('exec sleep 6000'));
  const out = await driver.output('ps', { pid: { target: target.run.containerId } }, { pidOf: target.init });
  assert.match(out, /^ +1 root +sleep 6000$/m);
  assert.equal(driver.runtime.isAlive(target.init), true);
  await driver.clean(target.run);
});

driverTest('the PID namespace of a number that came to mean another process is not joined', async (driver) => {
  const infra = await driver.start({ role: 'infra' });
  const reused = { ...infra.init, startTime: infra.init.startTime - 1 };
  const spec = containerSpec({ pid: 'sandbox' });

  await assert.rejects(driver.prepare(spec, { pidOf: reused }), { code: 'WrongState', message: /it has ended/ });
  await driver.clean({ containerId: spec.id, number: 1 });
  await driver.clean(infra.run);
});

driverTest(
  'a container whose PID namespace ended before it was made says so, and leaves no descriptor',
  async (driver) => {
    const descriptors = (): string[] => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith('pid:'));
    const infra = await driver.start({ role: 'infra' });
    const [made, given] = [
      await driver.prepare({ pid: 'sandbox' }, { pidOf: infra.init }),
      await driver.prepare({ pid: 'sandbox' }, { pidOf: infra.init }),
    ];
    assert.equal(descriptors().length, 2);
    driver.runtime.signal(infra.run, infra.init, KILL);
    await infra.watch.initEnded;

    await assert.rejects(driver.runtime.create(made, new AbortController().signal), {
      code: 'WrongState',
      message: /it has ended/,
    });
    for (const run of [made, given, infra.run]) await driver.clean(run);
    assert.deepEqual(descriptors(), []);
  },
);

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // it was closed meanwhile
  }
}

driverTest('a run is found in the cgroup that it was given, by another daemon too', async (driver) => {
  const id = newId();
  const cgroupPath = `${driver.cgroupParent}/pods/pod1/${id}`;
  const { run, init } = await driver.start({ ...running('sleep 1000'), id, cgroupPath });
  assert.match(readFileSync(`/proc/${init.pid}/cgroup`, 'utf8'), new RegExp(`${cgroupPath}$`, 'm'));
  await driver.reopen();

  assert.deepEqual(new Cgroup(layout, cgroupPath).pids(), [init.pid]);
  assert.equal((await driver.runtime.observe(run))?.liveProcesses, 1);
  assert.equal(driver.runtime.usage(run)?.processes, 1);
  assert.equal((await driver.exec(run, ['true'])).code, 0);
  await driver.clean(run);

  assert.equal(driver.runtime.usage(run), undefined);
  assert.equal(new Cgroup(layout, cgroupPath).exists, false);
  assert.equal(new Cgroup(layout, `${driver.cgroupParent}/pods/pod1`).exists, true, 'it is not berth’s to remove');
});

driverTest('a debt of a cgroup remembers where it is when nothing else of the run is left', async (driver) => {
  const id = newId();
  const cgroupPath = `${driver.cgroupParent}/pods/pod1/${id}`;
  const { run } = await driver.start({ ...running('sleep 1000'), id, cgroupPath });
  const steps = driver.runtime.cleanSteps(run);
  const owed = steps.filter(({ kind }) => kind === 'cgroup' || kind === 'processes');
  assert.deepEqual(
    owed.map(({ path }) => path),
    [cgroupPath, cgroupPath],
  );
  for (const { kind, perform } of steps) if (kind !== 'runtime' && kind !== 'cgroup') await perform();
  await driver.reopen();
  assert.equal(new Cgroup(layout, cgroupPath).exists, true);

  const again = driver.runtime.cleanSteps(run, cgroupPath);
  await again.find(({ kind }) => kind === 'cgroup')?.perform();

  assert.equal(new Cgroup(layout, cgroupPath).exists, false);
  for (const { perform } of again) await perform();
});

for (const cgroupPath of ['', '/', '//x', 'relative', '/a/../../..', '/a/']) {
  driverTest(`cgroup "${cgroupPath}" is refused: to clean it would be to kill others`, async (driver) => {
    await assert.rejects(driver.prepare({ cgroupPath }), { code: 'InvalidArgument', field: 'cgroupPath' });
  });
}

driverTest('masked and read-only paths are those that were asked for', async (driver) => {
  const script = 'cat /etc/passwd; touch /tmp/file && echo touched; echo 0 >/proc/sys/net/ipv4/ip_forward && echo set';
  const usual = await driver.output(script);
  const security = { maskedPaths: ['/etc/passwd'], readonlyPaths: ['/tmp'] };
  const pod = await makePod(driver);
  const asked = await driver.output(script, { security }, pod);

  assert.match(usual, /^root:[^]*touched\n.*ip_forward: Read-only file system\n$/);
  assert.doesNotMatch(asked, /root:/);
  assert.match(asked, /touch: \/tmp\/file: Read-only file system\n.*Operation not permitted\n$/, 'but not read-only');
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest(
  'what is mounted below a read-only mount is read-only too, unless it was asked otherwise',
  async (driver) => {
    const source = `${driver.root}/data`;
    mkdirSync(`${source}/below`, { recursive: true });
    await driver.thread.call({
      op: 'mount',
      source: 'x',
      target: `${source}/below`,
      type: 'tmpfs',
      flags: 0,
      data: null,
    });
    const mount = { kind: 'bind', source, target: '/data', isReadonly: true } as const;
    const script = 'touch /data/file; touch /data/below/file && echo written';

    assert.doesNotMatch(await driver.output(script, { mounts: [mount] }), /written/);
    const out = await driver.output(script, { mounts: [{ ...mount, isWritableBelow: true }] });

    assert.match(out, /touch: \/data\/file: Read-only file system/);
    assert.match(out, /written/);
    await driver.thread.call({ op: 'unmount', target: `${source}/below` });
  },
);

driverTest('limits are those of the container’s cgroup', async (driver) => {
  const hugepages = existsSync('/sys/kernel/mm/hugepages/hugepages-2048kB')
    ? { hugepageBytes: { '2MB': 4 << 20 } }
    : {};
  const unified = layout.mode === 'v2' ? { unified: { 'memory.high': '50331648' } } : {};
  const resources = { cpuQuotaUs: 20_000, cpuPeriodUs: 50_000, cpusetMems: '0', pids: 50, ...hugepages, ...unified };
  const { run } = await driver.start({ ...running('sleep 1000'), resources });
  const path = `${driver.cgroupParent}/${run.containerId}`;
  const read = (controller: string, file: string): string | undefined => {
    const mount = layout.controllers.get(controller) ?? layout.unified;
    return existsSync(`${mount}${path}/${file}`) ? readFileSync(`${mount}${path}/${file}`, 'utf8').trim() : undefined;
  };

  const found =
    layout.mode === 'v2'
      ? [read('cpu', 'cpu.max'), read('memory', 'memory.high'), read('hugetlb', 'hugetlb.2MB.max')]
      : [
          `${read('cpu', 'cpu.cfs_quota_us')} ${read('cpu', 'cpu.cfs_period_us')}`,
          '50331648',
          read('hugetlb', 'hugetlb.2MB.limit_in_bytes'),
        ];
  const isHugetlbThere = found[2] !== undefined;
  assert.deepEqual(found, ['20000 50000', '50331648', isHugetlbThere ? String(4 << 20) : undefined]);
  assert.deepEqual([read('cpuset', 'cpuset.mems'), read('pids', 'pids.max')], ['0', '50']);
  await driver.clean(run);
});

driverTest('the groups of a process are its own and those that were asked for', async (driver) => {
  const user = { uid: 1_000, gid: 1_001, additionalGids: [1_234, 2_000], home: '/' };
  const { process } = running('id -u; id -G; grep ^Groups /proc/self/status');
  const out = await driver.output('id -u; id -G; grep ^Groups /proc/self/status', { process: { ...process, user } });
  assert.equal(out, '1000\n1001 1234 2000\nGroups:\t1001 1234 2000 \n');
});

driverTest('a privileged container gets no more than the daemon may hand on', async (driver) => {
  const out = await driver.output('grep CapEff /proc/self/status', { security: { isPrivileged: true } });
  const mask = BigInt(`0x${out.trim().split('\t')[1]}`);
  assert.equal(mask.toString(2).replaceAll('0', '').length, boundingCapabilities().length);
});
