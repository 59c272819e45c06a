import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandboxRequest } from '../../../../src/api/cri/to-spec/sandbox.ts';
import type { SandboxRequest } from '../../../../src/engine/sandbox/state.ts';
import {
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
  NamespaceMode,
  NamespaceOption,
  Protocol,
  RunPodSandboxRequest,
} from '../../../../src/gen/cri/api.ts';
import type { PodSandboxConfig } from '../../../../src/gen/cri/api.ts';
import { message, podConfig } from '../../../support/cri.ts';

function translate(config: Partial<PodSandboxConfig>, runtimeHandler = ''): SandboxRequest {
  return sandboxRequest({ config: podConfig(config), runtimeHandler });
}

function security(given: Partial<LinuxSandboxSecurityContext>): Partial<PodSandboxConfig> {
  return { linux: message(LinuxPodSandboxConfig, { securityContext: message(LinuxSandboxSecurityContext, given) }) };
}

function namespaces(given: Partial<NamespaceOption>): Partial<PodSandboxConfig> {
  return security({ namespaceOptions: message(NamespaceOption, given) });
}

const NONE = { name: '', namespace: '', uid: '', attempt: 0 };

test('a pod of which little is said gets a network of its own and a name from its identity', () => {
  assert.deepEqual(translate({ hostname: '' }), {
    name: 'pod_default_uid-1_0',
    pod: { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 },
    network: 'cni',
    ipc: 'sandbox',
    ports: [],
    sysctls: {},
    labels: {},
    annotations: {},
    apiData: { door: 'cri', isPrivileged: false, runtimeHandler: '' },
  });
});

test('what a kubelet says of a pod reaches the engine in its words', () => {
  const request = translate(
    {
      metadata: { name: 'web', namespace: 'shop', uid: 'u', attempt: 3 },
      hostname: 'web-0',
      logDirectory: '/var/log/pods/shop_web_u',
      dnsConfig: { servers: ['10.10.10.10'], searches: ['google.com'], options: ['ndots:8'] },
      labels: { app: 'web' },
      annotations: { 'kubernetes.io/ingress-bandwidth': '1M' },
      linux: message(LinuxPodSandboxConfig, {
        cgroupParent: '/kubepods/podu',
        sysctls: { 'kernel.shm_rmid_forced': '1' },
      }),
    },
    'runc',
  );
  assert.deepEqual(request, {
    name: 'web_shop_u_3',
    pod: { name: 'web', namespace: 'shop', uid: 'u', attempt: 3 },
    network: 'cni',
    ipc: 'sandbox',
    hostname: 'web-0',
    dns: { servers: ['10.10.10.10'], searches: ['google.com'], options: ['ndots:8'] },
    ports: [],
    sysctls: { 'kernel.shm_rmid_forced': '1' },
    cgroupParent: '/kubepods/podu',
    logFolder: '/var/log/pods/shop_web_u',
    handler: 'runc',
    labels: { app: 'web' },
    annotations: { 'kubernetes.io/ingress-bandwidth': '1M' },
    apiData: { door: 'cri', isPrivileged: false, runtimeHandler: 'runc' },
  });
});

test('a request that is sent again is equal, in whatever order its tables come', () => {
  const once = translate({ labels: { a: '1', b: '2' }, annotations: { x: '1', y: '2' } });
  const again = translate({ labels: { b: '2', a: '1' }, annotations: { y: '2', x: '1' } });
  assert.equal(JSON.stringify(again), JSON.stringify(once));
});

test('what is kept for the answers is what a database gives back', () => {
  const { apiData } = translate(namespaces({ pid: NamespaceMode.CONTAINER }));
  assert.deepStrictEqual(JSON.parse(JSON.stringify(apiData)), apiData);
});

test('an empty DNS configuration is not the one of the host', () => {
  const dnsConfig = { servers: [], searches: [], options: [] };
  assert.deepEqual(translate({ dnsConfig }).dns, dnsConfig);
});

test('only ports of the host are mapped', () => {
  const { ports } = translate({
    portMappings: [
      { protocol: Protocol.TCP, containerPort: 80, hostPort: 0, hostIp: '' },
      { protocol: Protocol.TCP, containerPort: 80, hostPort: 12_000, hostIp: '' },
      { protocol: Protocol.UDP, containerPort: 53, hostPort: 53, hostIp: '127.0.0.1' },
      { protocol: Protocol.SCTP, containerPort: 1, hostPort: 65_535, hostIp: '' },
    ],
  });
  assert.deepEqual(ports, [
    { protocol: 'tcp', containerPort: 80, hostPort: 12_000 },
    { protocol: 'udp', containerPort: 53, hostPort: 53, hostIp: '127.0.0.1' },
    { protocol: 'sctp', containerPort: 1, hostPort: 65_535 },
  ]);
});

test("a pod in the host's network has neither ports to map nor a hostname of its own", () => {
  const portMappings = [{ protocol: Protocol.TCP, containerPort: 80, hostPort: 80, hostIp: '' }];
  const request = translate({ hostname: 'web', portMappings, ...namespaces({ network: NamespaceMode.NODE }) });
  assert.deepEqual([request.network, request.ports, request.hostname], ['host', [], undefined]);
});

test('a cgroup parent is a path, with or without a slash before it', () => {
  for (const cgroupParent of ['/kubepods/burstable/pod1', 'kubepods/burstable/pod1/']) {
    const { cgroupParent: parent } = translate({ linux: message(LinuxPodSandboxConfig, { cgroupParent }) });
    assert.equal(parent, '/kubepods/burstable/pod1');
  }
  assert.equal(
    translate({ linux: message(LinuxPodSandboxConfig, { cgroupParent: '/test.slice' }) }).cgroupParent,
    '/test.slice',
  );
});

test("the host's IPC namespace and privileged containers are the pod's decision", () => {
  assert.equal(translate(namespaces({ ipc: NamespaceMode.NODE })).ipc, 'host');
  assert.deepEqual(translate(security({ privileged: true })).apiData, {
    door: 'cri',
    isPrivileged: true,
    runtimeHandler: '',
  });
});

const mapping = [{ hostId: 1_000, containerId: 0, length: 10 }];

const refused: readonly (readonly [string, Partial<PodSandboxConfig>, string])[] = [
  ['no name', { metadata: { ...NONE, namespace: 'a', uid: 'b' } }, 'config.metadata.name is empty'],
  ['no namespace', { metadata: { ...NONE, name: 'a', uid: 'b' } }, 'config.metadata.namespace is empty'],
  ['no uid', { metadata: { ...NONE, name: 'a', namespace: 'b' } }, 'config.metadata.uid is empty'],
  ['no metadata', { metadata: undefined }, 'config.metadata.name is empty'],
  ['a group without a user', security({ runAsGroup: { value: 1n } }), 'run_as_group is set without run_as_user'],
  [
    'a network of one container',
    namespaces({ network: NamespaceMode.CONTAINER }),
    'network is CONTAINER, must be POD or NODE',
  ],
  [
    'an IPC namespace of another container',
    namespaces({ ipc: NamespaceMode.TARGET }),
    'ipc is TARGET, must be POD or NODE',
  ],
  [
    'a user namespace of one container',
    namespaces({ usernsOptions: { mode: NamespaceMode.CONTAINER, uids: [], gids: [] } }),
    'userns_options.mode is CONTAINER, must be POD or NODE',
  ],
  [
    "mappings for the host's user namespace",
    namespaces({ usernsOptions: { mode: NamespaceMode.NODE, uids: mapping, gids: mapping } }),
    'userns_options has mappings',
  ],
  [
    'a host port that is none',
    { portMappings: [{ protocol: Protocol.TCP, containerPort: 80, hostPort: 65_536, hostIp: '' }] },
    'config.port_mappings[0].host_port is 65536, must be from 1 to 65535',
  ],
  [
    'a host port for no port',
    { portMappings: [{ protocol: Protocol.TCP, containerPort: 0, hostPort: 80, hostIp: '' }] },
    'config.port_mappings[0].container_port is 0',
  ],
  [
    'a protocol that nobody knows',
    { portMappings: [{ protocol: 7 as Protocol, containerPort: 80, hostPort: 80, hostIp: '' }] },
    'config.port_mappings[0].protocol is 7',
  ],
  [
    'two lines in one word',
    { dnsConfig: { servers: ['1.1.1.1\noptions x'], searches: [], options: [] } },
    'config.dns_config.servers has',
  ],
  [
    'a cgroup parent elsewhere',
    { linux: message(LinuxPodSandboxConfig, { cgroupParent: '/a/../..' }) },
    'config.linux.cgroup_parent is',
  ],
];

for (const [what, config, expected] of refused) {
  test(`a sandbox with ${what} is refused`, () => {
    assert.throws(
      () => translate(config),
      (error: Error & { code: string; field: string }) =>
        error.code === 'InvalidArgument' && error.message.includes(expected) && error.message.includes(error.field),
    );
  });
}

test('a request without a config is refused', () => {
  assert.throws(() => sandboxRequest(message(RunPodSandboxRequest)), { code: 'InvalidArgument', field: 'config' });
});

test('a pod can have users of its own: one range of each', () => {
  const gids = [{ containerId: 0, hostId: 5_000, length: 10 }];
  const usernsOptions = { mode: NamespaceMode.POD, uids: mapping, gids };
  assert.deepEqual(translate(namespaces({ usernsOptions })).users, {
    uids: [{ inside: 0, outside: 1_000, size: 10 }],
    gids: [{ inside: 0, outside: 5_000, size: 10 }],
  });
  const host = { mode: NamespaceMode.NODE, uids: [], gids: [] };
  assert.equal(translate(namespaces({ usernsOptions: host })).users, undefined);
});

for (const [what, usernsOptions, reason] of [
  ['two ranges', { uids: [...mapping, ...mapping], gids: mapping }, /uids has 2 mappings, must have one/],
  ['no range', { uids: mapping, gids: [] }, /gids has 0 mappings, must have one/],
] as const) {
  test(`${what} of users is refused`, () => {
    const asked = { mode: NamespaceMode.POD, uids: [...usernsOptions.uids], gids: [...usernsOptions.gids] };
    const code = 'InvalidArgument';
    assert.throws(() => translate(namespaces({ usernsOptions: asked })), { code, message: reason });
  });
}

for (const kind of ['pid', 'ipc'] as const) {
  test(`a pod with users of its own is not in the host’s ${kind} namespace`, () => {
    const usernsOptions = { mode: NamespaceMode.POD, uids: mapping, gids: mapping };
    assert.throws(() => translate(namespaces({ usernsOptions, [kind]: NamespaceMode.NODE })), {
      code: 'InvalidArgument',
      message: /is NODE, but the pod has users of its own/,
    });
  });
}
