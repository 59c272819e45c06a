import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from '../../../src/engine/container/spec.ts';
import type { HostAbilities, OciSpec } from '../../../src/runtime/oci-spec.ts';
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

function build(given: Partial<ContainerSpec>, abilities: Partial<HostAbilities> = {}): OciSpec {
  return ociSpec({
    spec: containerSpec(given),
    pins: { net: '/pins/net', ipc: '/pins/ipc', uts: '/pins/uts' },
    rootfs: '/run/rootfs',
    cgroupPath: '/berth/c1',
    etcFiles: [{ source: '/run/hosts', target: '/etc/hosts' }],
    host: { ...host, ...abilities },
  });
}

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
  const types = (spec: OciSpec): string[] => (spec.linux['namespaces'] as { type: string }[]).map(({ type }) => type);
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
