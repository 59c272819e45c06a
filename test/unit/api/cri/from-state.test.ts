import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  container,
  containerInfo,
  containerState,
  containerStatus,
} from '../../../../src/api/cri/from-state/container.ts';
import { image, imageInfo } from '../../../../src/api/cri/from-state/image.ts';
import { podSandbox, podSandboxStatus, sandboxInfo, sandboxState } from '../../../../src/api/cri/from-state/sandbox.ts';
import { stopSignalValue } from '../../../../src/api/cri/signals.ts';
import { parseSignal } from '../../../../src/base/signals.ts';
import type { ContainerState as EngineState, ExitRecord, LiveRun } from '../../../../src/engine/container/state.ts';
import {
  ContainerState,
  ContainerStatus,
  Mount,
  NamespaceMode,
  NamespaceOption,
  PodSandboxState,
  PodSandboxStatus,
  Signal,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { engineImage, podContainerRow, podRow } from '../../../support/cri-rows.ts';

const deadline = { bootId: 'boot', at: 0 };
const identity = { bootId: 'boot', pid: 4_711, startTime: 1 };
const run: LiveRun = {
  number: 1,
  processes: { init: identity, monitor: { ...identity, pid: 4_710 } },
  startedAt: 1_700_000_001_000,
  startedBoot: 0,
};
const exit: ExitRecord = {
  run: 1,
  code: 0,
  isCodeKnown: true,
  isOom: false,
  cause: 'self',
  startedAt: 1_700_000_001_000,
  exitedAt: 1_700_000_002_000,
  witness: 'pidfd',
  log: 'complete',
};
const ended = (given: Partial<ExitRecord>): EngineState => ({
  phase: 'exited',
  exit: { ...exit, ...given },
  isCleaned: true,
});

const states: readonly (readonly [string, EngineState, ContainerState])[] = [
  ['creating', { phase: 'creating', deadline }, ContainerState.CONTAINER_CREATED],
  ['created', { phase: 'created' }, ContainerState.CONTAINER_CREATED],
  [
    'starting',
    { phase: 'starting', run: { number: 1, step: 'releasing', deadline } },
    ContainerState.CONTAINER_CREATED,
  ],
  ['running', { phase: 'running', run }, ContainerState.CONTAINER_RUNNING],
  ['paused', { phase: 'paused', run }, ContainerState.CONTAINER_RUNNING],
  ['exited', ended({}), ContainerState.CONTAINER_EXITED],
  ['removing', { phase: 'removing', exit, deadline }, ContainerState.CONTAINER_EXITED],
  ['removing, never run', { phase: 'removing', exit: undefined, deadline }, ContainerState.CONTAINER_CREATED],
];

for (const [what, state, expected] of states) {
  test(`a container that is ${what} is one of what a kubelet knows`, () => {
    assert.equal(containerState(state), expected);
    ContainerStatus.encode(containerStatus(podContainerRow({}, {}, { state }))).finish();
  });
}

for (const [given, code, reason] of [
  [{}, 0, 'Completed'],
  [{ code: 3 }, 3, 'Error'],
  [{ code: 137, cause: 'oom', isOom: true }, 137, 'OOMKilled'],
  [{ code: 137, cause: 'stop' }, 137, 'Error'],
  [{ code: 143, cause: 'stop' }, 143, 'Error'],
  [{ code: 127, cause: 'start-failed', message: 'no such file' }, 128, 'StartError'],
  [{ code: 255, isCodeKnown: false, cause: 'monitor-lost' }, 255, 'Error'],
  [{ code: 255, isCodeKnown: false, cause: 'host-shutdown' }, 255, 'Error'],
] as const) {
  test(`an end of code ${given.code ?? 0} and cause ${'cause' in given ? given.cause : 'self'} is ${reason}`, () => {
    const status = containerStatus(podContainerRow({}, {}, { state: ended(given) }));
    assert.deepEqual([status.exitCode, status.reason], [code, reason]);
    assert.equal(status.message, 'message' in given ? given.message : '');
    assert.deepEqual([status.startedAt, status.finishedAt], [1_700_000_001_000_000_000n, 1_700_000_002_000_000_000n]);
  });
}

test('a container that runs has begun and not ended', () => {
  const status = containerStatus(podContainerRow({}, {}, { state: { phase: 'running', run } }));
  assert.deepEqual([status.startedAt, status.finishedAt], [1_700_000_001_000_000_000n, 0n]);
  assert.deepEqual([status.exitCode, status.reason], [0, '']);
});

test('a container that was created has not begun', () => {
  const status = containerStatus(podContainerRow());
  assert.deepEqual([status.createdAt, status.startedAt, status.finishedAt], [1_700_000_000_000_000_000n, 0n, 0n]);
});

test('what was asked for is given back as it was', () => {
  const mounts = [message(Mount, { hostPath: '/a', containerPath: '/b', readonly: true, selinuxRelabel: true })];
  const data = {
    metadata: { name: 'web', attempt: 2 },
    labels: { app: 'web' },
    annotations: { 'run.oci.handler': 'krun' },
    mounts,
  };
  const row = podContainerRow(
    { labels: { app: 'web', 'of.the': 'image' }, annotations: {}, logPath: '/var/log/x' },
    data,
  );
  const { metadata, labels, annotations, mounts: given, logPath } = containerStatus(row);
  assert.deepEqual({ metadata, labels, annotations, mounts: given }, data);
  assert.equal(logPath, '/var/log/x');
  assert.deepEqual([container(row).labels, container(row).annotations], [data.labels, data.annotations]);
});

test('an image is called what its user called it, and known by its id', () => {
  const id = `sha256:${'c'.repeat(64)}`;
  const asked = { image: id, annotations: {}, userSpecifiedImage: 'nginx:1', runtimeHandler: '', imageRef: '' };
  const status = containerStatus(podContainerRow({ image: { name: id, id } }, { image: asked }));
  assert.deepEqual([status.image?.image, status.imageRef, status.imageId], ['nginx:1', id, id]);
  const unnamed = { ...asked, userSpecifiedImage: '' };
  const row = podContainerRow({ image: { name: 'busybox', id } }, { image: unnamed });
  assert.deepEqual([containerStatus(row).image?.image, container(row).imageId], ['busybox', id]);
});

test('a user is told with the group that is its own among its groups', () => {
  const { process } = podContainerRow().spec;
  const user = { uid: 1_000, gid: 1_000, additionalGids: [1_234, 50_000, 1_000], home: '/' };
  assert.deepEqual(containerStatus(podContainerRow({ process: { ...process, user } })).user?.linux, {
    uid: 1_000n,
    gid: 1_000n,
    supplementalGroups: [1_000n, 1_234n, 50_000n],
  });
});

test('limits are told as they hold', () => {
  const resources = {
    memoryBytes: 64 << 20,
    memorySwapBytes: -1,
    cpuQuotaUs: -1,
    cpuPeriodUs: 100_000,
    cpuShares: 2,
    cpusetCpus: '0',
    hugepageBytes: { '2MB': 0 },
    unified: { 'cpu.weight': '5' },
  };
  assert.deepEqual(containerStatus(podContainerRow({ resources, oomScoreAdj: -997 })).resources?.linux, {
    cpuPeriod: 100_000n,
    cpuQuota: -1n,
    cpuShares: 2n,
    memoryLimitInBytes: 64n << 20n,
    oomScoreAdj: -997n,
    cpusetCpus: '0',
    cpusetMems: '',
    hugepageLimits: [{ pageSize: '2MB', limit: 0n }],
    unified: { 'cpu.weight': '5' },
    memorySwapLimitInBytes: -1n,
  });
});

test('every stop signal is told by its value', () => {
  for (const [name, value] of Object.entries(Signal)) {
    if (!name.startsWith('SIG')) continue;
    const same = { SIGCLD: Signal.SIGCHLD, SIGIOT: Signal.SIGABRT, SIGPOLL: Signal.SIGIO }[name] ?? value;
    assert.equal(stopSignalValue(parseSignal(name)), same, name);
  }
});

test('whoever inspects a container finds its process', () => {
  const { info = '' } = containerInfo(podContainerRow({ handler: 'runc' }, {}, { state: { phase: 'running', run } }));
  const told = JSON.parse(info) as Record<string, unknown>;
  assert.deepEqual(
    [told['pid'], told['monitorPid'], told['runtimeType'], told['removing']],
    [4_711, 4_710, 'runc', false],
  );
});

for (const [phase, state, expected, ips] of [
  ['ready', undefined, PodSandboxState.SANDBOX_READY, ['10.0.0.2', 'fd00::2']],
  [
    'stopping',
    { phase: 'stopping', pins: {}, bootId: 'boot', addresses: ['10.0.0.2'] },
    PodSandboxState.SANDBOX_NOTREADY,
    ['10.0.0.2'],
  ],
  ['stopped', { phase: 'stopped', stoppedAt: 1 }, PodSandboxState.SANDBOX_NOTREADY, ['']],
] as const) {
  test(`a sandbox that is ${phase} is one of what a kubelet knows`, () => {
    const row = podRow({}, {}, state);
    const { network } = podSandboxStatus(row);
    assert.equal(sandboxState(row.state), expected);
    assert.deepEqual([network?.ip, ...(network?.additionalIps ?? []).map(({ ip }) => ip)], ips);
    PodSandboxStatus.encode(podSandboxStatus(row)).finish();
  });
}

test('a sandbox is given back as it was asked for', () => {
  const namespaces = message(NamespaceOption, { pid: NamespaceMode.CONTAINER, network: NamespaceMode.NODE });
  const row = podRow(
    { labels: { app: 'web' }, annotations: { a: 'b' }, handler: 'crun' },
    { namespaces, runtimeHandler: '' },
  );
  const { id, metadata, labels, annotations, runtimeHandler, createdAt, linux } = podSandboxStatus(row);
  assert.deepEqual(metadata, { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 });
  assert.deepEqual([labels, annotations, runtimeHandler], [{ app: 'web' }, { a: 'b' }, '']);
  assert.deepEqual(linux?.namespaces?.options, namespaces);
  assert.deepEqual([id, createdAt], [row.spec.id, 1_700_000_000_000_000_000n]);
  assert.equal(podSandbox(podRow({}, { runtimeHandler: 'runc' })).runtimeHandler, 'runc');
});

test('whoever inspects a sandbox finds its network namespace', () => {
  const pins = { net: '/run/netns/berth-1', uts: '/run/berth/ns/1/uts' };
  const { info = '' } = sandboxInfo(podRow({}, {}, { phase: 'ready', pins, bootId: 'boot', addresses: [] }));
  const told = JSON.parse(info) as { runtimeSpec: { linux: { namespaces: unknown } } };
  assert.deepEqual(told.runtimeSpec.linux.namespaces, [
    { type: 'network', path: pins.net },
    { type: 'uts', path: pins.uts },
  ]);
});

for (const [user, uid, username] of [
  ['', undefined, ''],
  ['1002', 1_002n, ''],
  ['www-data', undefined, 'www-data'],
  ['1003:1004', 1_003n, ''],
  ['www-data:1004', undefined, 'www-data'],
  ['0', 0n, ''],
] as const) {
  test(`an image whose user is "${user}" tells it as a number or as a name`, () => {
    const told = image(engineImage({ config: { ...engineImage().config, user } }));
    assert.deepEqual([told.uid?.value, told.username], [uid, username]);
  });
}

test('an image is told with all its names and its config', () => {
  const given = engineImage({ isPinned: true, createdAt: 0 });
  const { id, repoTags, repoDigests, size, pinned } = image(given);
  assert.deepEqual([id, repoTags, repoDigests, size, pinned], [given.id, given.names, given.digests, 1_000_000n, true]);
  const told = JSON.parse(imageInfo(given)['info'] ?? '') as {
    imageSpec: { created: string; config: { Cmd: unknown } };
  };
  assert.deepEqual([told.imageSpec.created, told.imageSpec.config.Cmd], ['1970-01-01T00:00:00.000Z', ['sh']]);
});
