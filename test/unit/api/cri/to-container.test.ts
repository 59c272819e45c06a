import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerRequest } from '../../../../src/api/cri/to-spec/container.ts';
import type { ContainerRequest } from '../../../../src/engine/container/spec.ts';
import type { SandboxRow } from '../../../../src/engine/sandbox/state.ts';
import type { Image } from '../../../../src/engine/ports.ts';
import { BerthError } from '../../../../src/base/errors.ts';
import { signalNumber } from '../../../../src/base/signals.ts';
import type { SignalName } from '../../../../src/base/signals.ts';
import type { ContainerConfig, UserNamespace } from '../../../../src/gen/cri/api.ts';
import {
  CreateContainerRequest,
  ImageSpec,
  LinuxContainerConfig,
  LinuxContainerResources,
  LinuxContainerSecurityContext,
  Mount,
  MountPropagation,
  NamespaceMode,
  NamespaceOption,
  PodSandboxConfig,
  Signal,
} from '../../../../src/gen/cri/api.ts';
import { containerConfig, message } from '../../../support/cri.ts';
import { engineImage, podRow } from '../../../support/cri-rows.ts';

interface World {
  readonly sandbox?: SandboxRow;
  readonly image?: Image;
  readonly sandboxConfig?: PodSandboxConfig;
}

function translate(config: Partial<ContainerConfig>, world: World = {}): ContainerRequest {
  const { sandbox = podRow(), image = engineImage() } = world;
  const request = {
    podSandboxId: sandbox.spec.id,
    config: containerConfig(config),
    sandboxConfig: world.sandboxConfig,
  };
  return containerRequest(request, { sandbox, findImage: () => image, findTarget });
}

function findTarget(id: string): string {
  if (id === 'known') return 'known-in-full';
  throw new BerthError('NotFound', `Cannot find container "${id}": there is none`);
}

function security(given: Partial<LinuxContainerSecurityContext> = {}): Partial<ContainerConfig> {
  const securityContext = message(LinuxContainerSecurityContext, given);
  return { linux: message(LinuxContainerConfig, { securityContext }) };
}

function mount(given: Partial<Mount>): Partial<ContainerConfig> {
  return { mounts: [message(Mount, { hostPath: '/data', containerPath: '/mnt', ...given })] };
}

function refuses(
  config: Partial<ContainerConfig>,
  expected: { readonly code?: string; readonly message: RegExp },
  world?: World,
): void {
  assert.throws(() => translate(config, world), { code: 'InvalidArgument', ...expected });
}

test('a container of which little is said runs as its image says, among the processes of its pod', () => {
  const sandbox = podRow({ hostname: 'pod-host' });
  const image = message(ImageSpec, { image: 'busybox' });
  assert.deepEqual(translate({}, { sandbox }), {
    name: 'k8s_web_pod_default_uid-1_0',
    sandbox: { id: sandbox.spec.id },
    image: 'busybox',
    env: ['HOSTNAME=pod-host'],
    hasTerminal: false,
    hasStdin: false,
    isStdinOnce: false,
    mounts: [],
    resources: {},
    oomScoreAdj: 0,
    security: { seccomp: 'unconfined' },
    pid: 'sandbox',
    labels: {},
    annotations: {},
    apiData: { door: 'cri', metadata: { name: 'web', attempt: 0 }, image, labels: {}, annotations: {}, mounts: [] },
  });
});

test('what a kubelet says of a container reaches the engine in its words', () => {
  const request = translate({
    metadata: { name: 'web', attempt: 2 },
    command: ['/bin/server'],
    args: ['--port', '80'],
    workingDir: '/srv',
    envs: [
      { key: 'A', value: Buffer.from('1') },
      { key: 'B', value: Buffer.from('x=ü') },
    ],
    stdin: true,
    stdinOnce: true,
    tty: true,
    labels: { app: 'web' },
    annotations: { note: 'x' },
    stopSignal: Signal.SIGQUIT,
  });
  assert.equal(request.name, 'k8s_web_pod_default_uid-1_2');
  assert.deepEqual([request.entrypoint, request.command], [['/bin/server'], ['--port', '80']]);
  assert.deepEqual(request.env, ['HOSTNAME=pod', 'A=1', 'B=x=ü']);
  assert.deepEqual([request.cwd, request.stopSignal], ['/srv', 'SIGQUIT']);
  assert.deepEqual([request.hasStdin, request.isStdinOnce, request.hasTerminal], [true, true, true]);
  assert.deepEqual([request.labels, request.annotations], [{ app: 'web' }, { note: 'x' }]);
});

test("a hostname that the image sets is the image's", () => {
  const image = engineImage({ config: { ...engineImage().config, env: ['HOSTNAME=fixed'] } });
  assert.deepEqual(translate({}, { image }).env, []);
});

test('annotations are kept as they are, but give the OCI runtime no orders', () => {
  const annotations = { 'run.oci.handler': 'krun', mine: 'yes' };
  const { annotations: passed, apiData } = translate({ annotations });
  assert.deepEqual(passed, { mine: 'yes' });
  assert.deepEqual((apiData as { annotations: unknown }).annotations, annotations);
});

test('what is kept for the answers is what a database gives back', () => {
  const { apiData } = translate(mount({ readonly: true }));
  assert.deepStrictEqual(JSON.parse(JSON.stringify(apiData)), apiData);
});

test('the log is below the folder of the pod, as the request says it or as it was made', () => {
  const sandbox = podRow({ logFolder: '/var/log/pods/made' });
  const sandboxConfig = message(PodSandboxConfig, { logDirectory: '/var/log/pods/said' });
  assert.equal(translate({ logPath: 'web/0.log' }, { sandbox }).logPath, '/var/log/pods/made/web/0.log');
  assert.equal(translate({ logPath: 'web/0.log' }, { sandbox, sandboxConfig }).logPath, '/var/log/pods/said/web/0.log');
  assert.equal(translate({ logPath: 'web/0.log' }).logPath, undefined);
  assert.equal(translate({}, { sandbox }).logPath, undefined);
});

for (const [name, value] of Object.entries(Signal)) {
  if (!name.startsWith('SIG')) continue;
  test(`${name} is a stop signal`, () => {
    const { stopSignal } = translate({ stopSignal: value });
    const number = signalNumber(stopSignal as SignalName);
    const offset = /^SIGRT(MIN|MAX)(?:PLUS|MINUS)?(\d*)$/.exec(name);
    if (offset === null)
      assert.equal(stopSignal, { SIGCLD: 'SIGCHLD', SIGIOT: 'SIGABRT', SIGPOLL: 'SIGIO' }[name] ?? name);
    else assert.equal(number, offset[1] === 'MIN' ? 34 + Number(offset[2]) : 64 - Number(offset[2]));
  });
}

test('the stop signal is left to the image unless it is said, and a number that is none is refused', () => {
  assert.equal(translate({ stopSignal: Signal.RUNTIME_DEFAULT }).stopSignal, undefined);
  refuses({ stopSignal: 99 as Signal }, { message: /config\.stop_signal is 99/ });
});

test('mounts are binds: private, and read-only as far down as was asked', () => {
  const bind = { kind: 'bind', source: '/data', target: '/mnt', makesSource: true };
  const cases = [
    [{}, { isReadonly: false, isWritableBelow: false, propagation: 'rprivate' }],
    [{ readonly: true }, { isReadonly: true, isWritableBelow: true, propagation: 'rprivate' }],
    [
      { readonly: true, recursiveReadOnly: true },
      { isReadonly: true, isWritableBelow: false, propagation: 'rprivate' },
    ],
    [
      { propagation: MountPropagation.PROPAGATION_HOST_TO_CONTAINER },
      { isReadonly: false, isWritableBelow: false, propagation: 'rslave' },
    ],
    [
      { propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL, selinuxRelabel: true },
      { isReadonly: false, isWritableBelow: false, propagation: 'rshared' },
    ],
  ] as const;
  for (const [given, expected] of cases) assert.deepEqual(translate(mount(given)).mounts, [{ ...bind, ...expected }]);
});

for (const [what, given, expected] of [
  ['recursive without being read-only', { recursiveReadOnly: true }, /recursive_read_only is set without readonly/],
  [
    'recursive with mounts from the host',
    { readonly: true, recursiveReadOnly: true, propagation: MountPropagation.PROPAGATION_HOST_TO_CONTAINER },
    /recursive_read_only is set with a propagation/,
  ],
  [
    'recursive with mounts both ways',
    { readonly: true, recursiveReadOnly: true, propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL },
    /recursive_read_only is set with a propagation/,
  ],
  ['of a propagation that nobody knows', { propagation: 9 as MountPropagation }, /propagation is 9/],
  ['of nothing', { hostPath: '' }, /config\.mounts\[0\]\.host_path is empty/],
  ['to nowhere', { containerPath: '' }, /config\.mounts\[0\]\.container_path is empty/],
] as const) {
  test(`a mount ${what} is refused`, () => refuses(mount(given), { message: expected }));
}

test('limits reach the engine in its words, and zero is none', () => {
  const resources = message(LinuxContainerResources, {
    cpuPeriod: 100_000n,
    cpuQuota: 20_000n,
    cpuShares: 2n,
    memoryLimitInBytes: 64n << 20n,
    oomScoreAdj: -997n,
    cpusetCpus: '0-1',
    cpusetMems: '0',
    hugepageLimits: [
      { pageSize: '2MB', limit: 0n },
      { pageSize: '1GB', limit: 1n << 30n },
    ],
    unified: { 'memory.high': '100', 'cpu.weight': '5' },
  });
  const request = translate({ linux: message(LinuxContainerConfig, { resources }) });
  assert.deepEqual(request.resources, {
    cpuPeriodUs: 100_000,
    cpuQuotaUs: 20_000,
    cpuShares: 2,
    memoryBytes: 64 << 20,
    memorySwapBytes: 64 << 20,
    cpusetCpus: '0-1',
    cpusetMems: '0',
    hugepageBytes: { '1GB': 1 << 30, '2MB': 0 },
    unified: { 'cpu.weight': '5', 'memory.high': '100' },
  });
  assert.equal(request.oomScoreAdj, -997);
  const nothing = message(LinuxContainerResources);
  assert.deepEqual(translate({ linux: message(LinuxContainerConfig, { resources: nothing }) }).resources, {});
});

for (const [what, given, expected] of [
  ['no quota at all', { cpuQuota: -1n }, { cpuQuotaUs: -1 }],
  [
    'swap beside memory',
    { memoryLimitInBytes: 8n << 20n, memorySwapLimitInBytes: 9n << 20n },
    { memoryBytes: 8 << 20, memorySwapBytes: 9 << 20 },
  ],
  [
    'swap without end',
    { memoryLimitInBytes: 8n << 20n, memorySwapLimitInBytes: -1n },
    { memoryBytes: 8 << 20, memorySwapBytes: -1 },
  ],
  ['more memory than there can be', { memoryLimitInBytes: 9_223_372_036_854_771_712n }, {}],
  ['more huge pages than there can be', { hugepageLimits: [{ pageSize: '2MB', limit: 2n ** 64n - 1n }] }, {}],
] as const) {
  test(`a limit may be ${what}`, () => {
    const resources = message(LinuxContainerResources, given as Partial<LinuxContainerResources>);
    assert.deepEqual(translate({ linux: message(LinuxContainerConfig, { resources }) }).resources, expected);
  });
}

test('whose processes a container sees', () => {
  const hostPod = podRow({}, { namespaces: message(NamespaceOption, { pid: NamespaceMode.NODE }) });
  const pid = (given: Partial<NamespaceOption>, sandbox?: SandboxRow): unknown =>
    translate(security({ namespaceOptions: message(NamespaceOption, given) }), sandbox === undefined ? {} : { sandbox })
      .pid;
  assert.equal(pid({ pid: NamespaceMode.POD }), 'sandbox');
  assert.equal(pid({ pid: NamespaceMode.CONTAINER }), 'container');
  assert.deepEqual(pid({ pid: NamespaceMode.TARGET, targetId: 'known' }), { target: 'known-in-full' });
  assert.equal(pid({ pid: NamespaceMode.NODE }, hostPod), 'host');
  assert.equal(pid({ pid: NamespaceMode.POD }, hostPod), 'host');
  assert.equal(pid({ pid: NamespaceMode.CONTAINER }, hostPod), 'container');
  assert.equal(translate({}, { sandbox: hostPod }).pid, 'host');
});

test("a container cannot ask for the host's processes in a pod that was not made for it, or for none", () => {
  const options = (given: Partial<NamespaceOption>): Partial<ContainerConfig> =>
    security({ namespaceOptions: message(NamespaceOption, given) });
  refuses(options({ pid: NamespaceMode.NODE }), { message: /namespace_options\.pid is NODE/ });
  refuses(options({ pid: NamespaceMode.TARGET }), { message: /target_id is empty/ });
  refuses(options({ pid: NamespaceMode.TARGET, targetId: 'other' }), { code: 'NotFound', message: /"other"/ });
  refuses(options({ pid: 9 as NamespaceMode }), { message: /pid is 9/ });
});

test('a container is asked for by the parts that it cannot do without', () => {
  assert.throws(
    () =>
      containerRequest(message(CreateContainerRequest), {
        sandbox: podRow(),
        findImage: () => engineImage(),
        findTarget,
      }),
    { code: 'InvalidArgument', field: 'config' },
  );
  refuses({ metadata: undefined }, { message: /config\.metadata\.name is empty/ });
  refuses({ metadata: { name: '', attempt: 1 } }, { message: /config\.metadata\.name is empty/ });
  refuses({ image: undefined }, { message: /config\.image\.image is empty/ });
  refuses(
    { envs: [{ key: 'A', value: Uint8Array.of(0xff) }] },
    { message: /config\.envs\[0\]\.value of "A" is no UTF-8/ },
  );
});

const IMAGE = { hostPath: '', readonly: true, image: message(ImageSpec, { image: 'data' }) };

test('an image is a volume, with its id in what is told of the container', () => {
  const found = engineImage({ id: `sha256:${'d'.repeat(64)}` });
  const request = translate(mount({ ...IMAGE, imageSubPath: 'sub' }), { image: found });
  assert.deepEqual(request.mounts, [{ kind: 'image', image: 'data', target: '/mnt', subPath: 'sub' }]);
  const { mounts } = request.apiData as { mounts: readonly Mount[] };
  assert.deepEqual([mounts[0]?.image?.image, mounts[0]?.image?.imageRef], ['data', found.id]);
});

test('a volume of an image that asks for what an image cannot give is refused', () => {
  refuses(mount({ ...IMAGE, readonly: false }), { message: /readonly is false, but images cannot be written to/ });
  refuses(mount({ ...IMAGE, hostPath: '/data' }), { message: /host_path is set beside an image/ });
  refuses(mount({ ...IMAGE, image: message(ImageSpec) }), { message: /image\.image is empty/ });
  const propagation = MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
  refuses(mount({ ...IMAGE, propagation }), { message: /must be PROPAGATION_PRIVATE/ });
});

const range = (hostId: number) => [{ containerId: 0, hostId, length: 10 }];
const users = (hostId: number) => ({ uids: range(hostId), gids: range(hostId) });
const ownUsers = podRow({
  users: { uids: [{ inside: 0, outside: 1_000, size: 10 }], gids: [{ inside: 0, outside: 1_000, size: 10 }] },
});

test('the files of a mount can be those of the pod’s users', () => {
  const mappings = { uidMappings: range(1_000), gidMappings: range(1_000) };
  const [mounted] = translate(mount(mappings), { sandbox: ownUsers }).mounts ?? [];
  assert.deepEqual(mounted?.kind === 'bind' && mounted.users, ownUsers.spec.users);
  refuses(mount({ uidMappings: range(1_000) }), { message: /must have both or none/ }, { sandbox: ownUsers });
});

const { POD, NODE, CONTAINER } = NamespaceMode;

const userCases: readonly [string, SandboxRow, UserNamespace | undefined, boolean][] = [
  ['none in a pod with its own', ownUsers, undefined, true],
  ['those of its pod', ownUsers, { mode: POD, ...users(1_000) }, true],
  ['the host’s in a pod with the host’s', podRow(), { mode: NODE, uids: [], gids: [] }, true],
  ['others than those of its pod', ownUsers, { mode: POD, ...users(2_000) }, false],
  ['its own in a pod with the host’s', podRow(), { mode: POD, ...users(1_000) }, false],
  ['the host’s in a pod with its own', ownUsers, { mode: NODE, uids: [], gids: [] }, false],
  ['those of a container', podRow(), { mode: CONTAINER, uids: [], gids: [] }, false],
];
for (const [what, sandbox, usernsOptions, isTaken] of userCases) {
  test(`a container that asks for users, ${what}, is ${isTaken ? 'made' : 'refused'}`, () => {
    const config = security({ namespaceOptions: message(NamespaceOption, { usernsOptions }) });
    if (isTaken) translate(config, { sandbox });
    else refuses(config, { message: /userns_options is other than that of its sandbox/ }, { sandbox });
  });
}

test('what berth does not do yet is not passed over', () => {
  const code = 'Unsupported';
  refuses(
    { devices: [{ containerPath: '/dev/x', hostPath: '/dev/x', permissions: 'rw' }] },
    { code, message: /config\.devices/ },
  );
  refuses({ CDIDevices: [{ name: 'vendor.com/gpu=0' }] }, { code, message: /vendor\.com\/gpu=0/ });
});
