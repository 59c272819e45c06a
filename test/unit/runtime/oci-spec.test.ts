import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from '../../../src/engine/container/spec.ts';
import { infraSpec } from '../../../src/runtime/infra.ts';
import { checkResources } from '../../../src/runtime/oci-resources.ts';
import type { HostAbilities, OciSpec, OciSpecInput } from '../../../src/runtime/oci-spec.ts';
import { ociSpec } from '../../../src/runtime/oci-spec.ts';
import { containerSpec } from '../../support/rows.ts';

const host: HostAbilities = {
  bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'],
  oomScoreAdj: 0,
  mayLowerOomScoreAdj: false,
  hardLimits: new Map([
    ['nofile', 4_096],
    ['nproc', 100],
  ]),
  architecture: 'x64',
  cgroupMode: 'v2',
  devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o666 }],
};

function build(
  given: Partial<ContainerSpec>,
  abilities: Partial<HostAbilities> = {},
  input: Partial<OciSpecInput> = {},
): OciSpec {
  return ociSpec({
    spec: containerSpec(given),
    pins: { net: '/pins/net', ipc: '/pins/ipc', uts: '/pins/uts' },
    rootfs: '/run/rootfs',
    pidNamespace: undefined,
    etcFiles: [{ source: '/run/hosts', target: '/etc/hosts' }],
    shm: undefined,
    seccomp: undefined,
    volumes: [],
    below: new Map(),
    host: { ...host, ...abilities },
    ...input,
  });
}

const namespacesOf = (spec: OciSpec): { type: string; path?: string }[] =>
  spec.linux['namespaces'] as { type: string; path?: string }[];

test('nothing that the daemon may not hand on is asked of the runtime', () => {
  const { process } = build({ rlimits: [{ name: 'nproc', soft: 500, hard: 1_000 }], oomScoreAdj: -500 });

  assert.deepEqual(process.capabilities['bounding'], ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW']);
  assert.equal(process.oomScoreAdj, 0, 'a lower score needs CAP_SYS_RESOURCE');
  assert.deepEqual(process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 1_024, hard: 4_096 },
    { type: 'RLIMIT_NPROC', soft: 100, hard: 100 },
  ]);
});

test('a host that may do everything gets what was asked for', () => {
  const abilities = { mayLowerOomScoreAdj: true, hardLimits: undefined };
  const { process } = build({ rlimits: [{ name: 'nofile', soft: 9_000, hard: 10_000 }], oomScoreAdj: -500 }, abilities);
  assert.equal(process.oomScoreAdj, -500);
  assert.deepEqual(process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 9_000, hard: 10_000 }]);
});

test('another user than root has its capabilities as a bound only', () => {
  const base = containerSpec({});
  const user = { uid: 1_000, gid: 1_000, additionalGids: [], home: '/' };
  const { process } = build({ process: { ...base.process, user } });
  assert.equal(process.capabilities['bounding']?.length, 3);
  assert.deepEqual([process.capabilities['effective'], process.capabilities['permitted']], [[], []]);
});

test('paths of the kernel are masked and read-only, and the default filter is there', () => {
  const { linux } = build({});
  assert.ok((linux['maskedPaths'] as string[]).includes('/proc/kcore'));
  assert.ok((linux['readonlyPaths'] as string[]).includes('/proc/sys'));
  const { syscalls } = linux['seccomp'] as { syscalls: { names: string[]; action: string }[] };
  const allowed = syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW').flatMap(({ names }) => names);
  for (const call of ['openat', 'execve', 'futex', 'clone']) assert.ok(allowed.includes(call), call);
  for (const call of ['mount', 'bpf', 'reboot', 'init_module', 'kexec_load']) assert.ok(!allowed.includes(call), call);
});

test('sockets of the families that reach out of a container are refused, however their number is written', () => {
  const { linux } = build({});
  const { syscalls } = linux['seccomp'] as {
    syscalls: { names: string[]; action: string; args?: { value: number; valueTwo?: number; op: string }[] }[];
  };
  const rules = syscalls.filter(({ names }) => names.includes('socket')).flatMap(({ args = [] }) => args);
  const isAllowed = (family: bigint): boolean =>
    rules.some(({ value, valueTwo = 0 }) => (family & BigInt(value)) === BigInt(valueTwo));

  assert.ok(rules.every(({ op }) => op === 'SCMP_CMP_MASKED_EQ'));
  assert.deepEqual([1n, 2n, 10n, 16n].map(isAllowed), [true, true, true, true]);
  assert.deepEqual([38n, 40n, (1n << 32n) | 38n, (1n << 32n) | 40n].map(isAllowed), [false, false, false, false]);
  assert.equal(syscalls.find(({ names }) => names.includes('socketcall'))?.action, 'SCMP_ACT_ERRNO');
});

test('a capability brings the system calls that it is for', () => {
  const { linux } = build({ security: { addCapabilities: ['sys_admin'] } });
  const { syscalls } = linux['seccomp'] as { syscalls: { names: string[] }[] };
  assert.ok(syscalls[0]?.names.includes('mount'));
});

test('a privileged container gets all capabilities and devices, no filter and no masks', () => {
  const { linux, process } = build({ security: { isPrivileged: true } });
  assert.deepEqual(process.capabilities['bounding'], host.bounding);
  assert.equal(linux['seccomp'], undefined);
  assert.equal(linux['maskedPaths'], undefined);
  assert.equal((linux['devices'] as unknown[]).length, 1);
});

test('pinned namespaces are joined, the others are the container’s own or the host’s', () => {
  const types = (spec: OciSpec): string[] => namespacesOf(spec).map(({ type }) => type);
  assert.deepEqual(types(build({})), ['mount', 'cgroup', 'pid', 'network', 'ipc', 'uts']);
  assert.ok(!types(build({ pid: 'host' })).includes('pid'));
});

test('own mounts take the place of the default ones, and parents come before what is inside them', () => {
  const { mounts } = build({
    mounts: [
      { kind: 'bind', source: '/data/deep', target: '/srv/a/b' },
      { kind: 'bind', source: '/data', target: '/srv/a', isReadonly: true },
      { kind: 'tmpfs', target: '/dev/shm', sizeBytes: 1_024 },
    ],
  });
  const targets = mounts.map(({ destination }) => destination);
  assert.equal(targets.filter((target) => target === '/dev/shm').length, 1);
  assert.ok(targets.indexOf('/srv/a') < targets.indexOf('/srv/a/b'));
  assert.deepEqual(mounts.find(({ destination }) => destination === '/srv/a')?.options, [
    'rbind',
    'rprivate',
    'ro',
    'rro',
  ]);
  assert.ok(mounts.find(({ destination }) => destination === '/dev/shm')?.options.includes('size=1024'));
});

for (const [name, given, pidNamespace, expected] of [
  ['its own', { pid: 'container' }, undefined, [{ type: 'pid' }]],
  ['the host’s', { pid: 'host' }, undefined, []],
  ['its sandbox’s', { pid: 'sandbox' }, '/proc/1/fd/20', [{ type: 'pid', path: '/proc/1/fd/20' }]],
  ['another’s', { pid: { target: 'c2' } }, '/proc/1/fd/21', [{ type: 'pid', path: '/proc/1/fd/21' }]],
] as const) {
  test(`a container can have ${name} PID namespace`, () => {
    const found = namespacesOf(build(given, {}, { pidNamespace })).filter(({ type }) => type === 'pid');
    assert.deepEqual(found, expected);
  });
}

for (const [name, given, expected] of [
  ['recursively', {}, ['rbind', 'rprivate', 'ro', 'rro']],
  ['for itself alone', { isWritableBelow: true }, ['rbind', 'rprivate', 'ro']],
  ['with propagation', { propagation: 'rslave' }, ['rbind', 'rslave', 'ro', 'rro']],
] as const) {
  test(`a mount can be read-only ${name}`, () => {
    const mount = { kind: 'bind', source: '/data', target: '/data', isReadonly: true, ...given } as const;
    assert.deepEqual(build({ mounts: [mount] }).mounts.at(-1)?.options, expected);
  });
}

test('shared memory that others have too is mounted in place of an own one', () => {
  const shm = (input: Partial<OciSpecInput>): object | undefined =>
    build({ shmSizeBytes: 1_000 }, {}, input).mounts.find(({ destination }) => destination === '/dev/shm');
  assert.deepEqual(shm({ shm: '/pins/shm' }), {
    destination: '/dev/shm',
    type: 'bind',
    source: '/pins/shm',
    options: ['bind', 'rprivate', 'nosuid', 'noexec', 'nodev', 'rw'],
  });
  assert.deepEqual(shm({}), {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=1000'],
  });
});

test('the cgroup is the one that the container was given', () => {
  assert.equal(build({ cgroupPath: '/kubepods/pod1/c1' }).linux['cgroupsPath'], '/kubepods/pod1/c1');
});

test('masked and read-only paths that were asked for take the place of the usual ones, also when there are none', () => {
  const { linux } = build({ security: { maskedPaths: ['/bin/ls'], readonlyPaths: [] } });
  assert.deepEqual([linux['maskedPaths'], linux['readonlyPaths']], [['/bin/ls'], []]);
  const privileged = build({ security: { isPrivileged: true, maskedPaths: ['/proc/kcore'], readonlyPaths: ['/sys'] } });
  assert.deepEqual([privileged.linux['maskedPaths'], privileged.linux['readonlyPaths']], [undefined, undefined]);
});

test('a filter of a file takes the place of the default one, but not for who needs none', () => {
  const seccomp = { defaultAction: 'SCMP_ACT_LOG', syscalls: [] };
  assert.equal(build({ security: { seccomp: { file: '/p' } } }, {}, { seccomp }).linux['seccomp'], seccomp);
  const privileged = { seccomp: { file: '/p' }, isPrivileged: true } as const;
  assert.equal(build({ security: privileged }, {}, { seccomp }).linux['seccomp'], undefined);
  assert.equal(build({ security: { seccomp: 'unconfined' } }).linux['seccomp'], undefined);
});

test('a process has its own group among its groups, once', () => {
  const { process } = containerSpec({});
  const groups = (gid: number, additionalGids: number[]): readonly number[] =>
    build({ process: { ...process, user: { uid: 1, gid, additionalGids, home: '/' } } }).process.user.additionalGids;
  assert.deepEqual(groups(5, [6, 7]), [5, 6, 7]);
  assert.deepEqual(groups(5, [6, 5]), [5, 6]);
});

for (const [resources, expected] of [
  [{ cpuQuotaUs: 20_000, cpuPeriodUs: 50_000 }, { cpu: { quota: 20_000, period: 50_000 } }],
  [{ cpuQuotaUs: 20_000 }, { cpu: { quota: 20_000, period: 100_000 } }],
  [{ cpuQuotaUs: -1, cpuPeriodUs: 50_000 }, { cpu: { period: 50_000 } }],
  [{ cpuQuotaUs: -1 }, {}],
  [{ cpus: 1.5, cpuPeriodUs: 10_000 }, { cpu: { quota: 15_000, period: 10_000 } }],
  [{ cpusetCpus: '0-1', cpusetMems: '0' }, { cpu: { cpus: '0-1', mems: '0' } }],
  [{ hugepageBytes: { '2MB': 4 << 20 } }, { hugepageLimits: [{ pageSize: '2MB', limit: 4 << 20 }] }],
  [{ unified: { 'memory.high': '5' } }, { unified: { 'memory.high': '5' } }],
  [{ hugepageBytes: {}, unified: {} }, {}],
] as const) {
  test(`resources ${JSON.stringify(resources)} are ${JSON.stringify(expected)}`, () => {
    const { devices: _, ...limits } = build({ resources }).linux['resources'] as Record<string, unknown>;
    assert.deepEqual(limits, expected);
  });
}

for (const [file, code] of [
  ['memory.high', undefined],
  ['hugetlb.2MB.max', undefined],
  ['cgroup.procs', 'InvalidArgument'],
  ['cgroup.freeze', 'InvalidArgument'],
  ['../other/memory.max', 'InvalidArgument'],
  ['memory', 'InvalidArgument'],
] as const) {
  test(`writing to "${file}" of a v2 cgroup is ${code === undefined ? 'allowed' : 'refused'}`, () => {
    const check = (): void => checkResources({ unified: { 'cpu.weight': '100', [file]: '1' } }, 'v2');
    if (code === undefined) check();
    else assert.throws(check, { code, field: 'resources.unified' });
  });
}

test('an infra container is given nothing, whatever its spec says', () => {
  const spec = containerSpec({
    role: 'infra',
    mounts: [{ kind: 'bind', source: '/', target: '/host' }],
    security: { isPrivileged: true, addCapabilities: ['ALL'], seccomp: 'unconfined' },
    cgroupPath: '/kubepods/pod1/infra',
    oomScoreAdj: 100,
  });
  const pins = { net: '/pins/net' };
  const made = infraSpec({ spec, pins, rootfs: '/run/rootfs', pidNamespace: undefined, host }, '/usr/bin/catatonit');

  assert.deepEqual(made.process.args, ['/catatonit', '-P']);
  assert.deepEqual(made.process.capabilities, {
    bounding: [],
    effective: [],
    permitted: [],
    inheritable: [],
    ambient: [],
  });
  assert.equal(made.process.noNewPrivileges, true);
  assert.equal(made.process.oomScoreAdj, 100);
  assert.deepEqual(made.root, { path: '/run/rootfs', readonly: true });
  assert.deepEqual(
    made.mounts.map(({ destination }) => destination),
    ['/proc', '/dev', '/catatonit'],
  );
  assert.ok(made.mounts.at(-1)?.options.includes('ro'));
  assert.notEqual(made.linux['seccomp'], undefined);
  assert.equal(made.linux['devices'], undefined);
  assert.equal(made.linux['cgroupsPath'], '/kubepods/pod1/infra');
  assert.deepEqual(
    namespacesOf(made).map(({ type }) => type),
    ['mount', 'cgroup', 'pid', 'network'],
  );
});

test('limits are written in the kernel’s units', () => {
  const { linux } = build({ resources: { memoryBytes: 64 << 20, cpus: 0.5, pids: 10, cpuShares: 512 } });
  const resources = linux['resources'] as Record<string, unknown>;
  assert.deepEqual(resources['memory'], { limit: 64 << 20 });
  assert.deepEqual(resources['cpu'], { quota: 50_000, period: 100_000, shares: 512 });
  assert.deepEqual(resources['pids'], { limit: 10 });
});

test('annotations that order the runtime about are left out', () => {
  const { annotations } = build({ annotations: { 'run.oci.hooks.stdout': '/tmp/x', mine: 'yes' } });
  assert.deepEqual(annotations, { mine: 'yes' });
});

const RANGE = [{ inside: 0, outside: 1_000, size: 10 }];
const USERS = { uids: RANGE, gids: RANGE };

test('a user namespace is joined, and made by nobody else', () => {
  const spec = build({}, {}, { pins: { user: '/pins/user', ipc: '/pins/ipc' } });
  assert.deepEqual(namespacesOf(spec)[0], { type: 'user', path: '/pins/user' });
  assert.equal(spec.linux['uidMappings'], undefined, 'or the runtime would give the host’s /dev/null away');
});

test('a mount of a container with users of its own says whose its files are', () => {
  const mount = { kind: 'bind', source: '/data', target: '/mnt', users: USERS } as const;
  const below = new Map([['/data', ['/data/a', '/data/a/b']]]);
  const { mounts } = build({ mounts: [mount] }, {}, { below });
  const mapped = [{ containerID: 0, hostID: 1_000, size: 10 }];
  const options = ['rbind', 'rprivate', 'rw'];
  const type = 'bind';
  assert.deepEqual(mounts.slice(-3), [
    { destination: '/mnt', type, source: '/data', options, uidMappings: mapped, gidMappings: mapped },
    { destination: '/mnt/a', type, source: '/data/a', options },
    { destination: '/mnt/a/b', type, source: '/data/a/b', options },
  ]);
});

test('images that are volumes are mounted from their places, whatever the order of the mounts', () => {
  const spec = containerSpec({
    mounts: [
      { kind: 'image', image: 'sha256:a', target: '/deep/er/one', subPath: '/sub' },
      { kind: 'tmpfs', target: '/tmp' },
      { kind: 'image', image: 'sha256:b', target: '/two' },
    ],
  });
  const { mounts } = build(spec, {}, { volumes: ['/run/volumes/0', '/run/volumes/1'] });
  const found = mounts.filter(({ source }) => source.startsWith('/run/volumes'));
  const options = ['bind', 'rprivate', 'ro', 'nosuid', 'nodev'];
  assert.deepEqual(found, [
    { destination: '/two', type: 'bind', source: '/run/volumes/1', options },
    { destination: '/deep/er/one', type: 'bind', source: '/run/volumes/0/sub', options },
  ]);
});
