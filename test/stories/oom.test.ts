import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import type { ContainerStatus } from '../../src/gen/cri/api.ts';
import {
  LinuxContainerConfig,
  LinuxContainerResources,
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
  NamespaceMode,
} from '../../src/gen/cri/api.ts';
import { detectCgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { message } from '../support/cri.ts';
import type { Daemon } from '../support/daemon.ts';
import type { Pods } from '../support/pods.ts';
import { namespaces, podStory } from '../support/pods.ts';

const rounds = process.env['BERTH_TEST_LONG'] === '1' ? 200 : 20;
const AT_ONCE = 4;

/** Takes more memory than there is, at once. */
const GREEDY = 'exec dd if=/dev/zero of=/dev/null bs=20M';
/** Likewise in a child, and goes on. */
const GREEDY_CHILD = 'dd if=/dev/zero of=/dev/null bs=20M; echo survived; trap "" TERM; while :; do sleep 0.05; done';

const limited = message(LinuxContainerConfig, {
  resources: message(LinuxContainerResources, {
    memoryLimitInBytes: 15n << 20n,
    memorySwapLimitInBytes: 15n << 20n,
  }),
});

/** Runs a container for each number, a few of them at a time, and tells how each ended. */
async function ends(
  count: number,
  run: (index: number) => Promise<ContainerStatus>,
): Promise<readonly (readonly [number, string])[]> {
  const all: (readonly [number, string])[] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => run(from + index));
    for (const { exitCode, reason } of await Promise.all(some)) all.push([exitCode, reason]);
  }
  return all;
}

const named = (index: number): { readonly metadata: { name: string; attempt: number }; readonly logPath: string } => ({
  metadata: { name: `c${index}`, attempt: 0 },
  logPath: `c${index}.log`,
});

/** What an exit is, for a kubelet, of a container that the kernel killed for want of memory. */
const OOM = [137, 'OOMKilled'] as const;

/** L18 */
podStory('a container that is killed for want of memory is always told as that', {}, async (pods) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const pod = await pods.run(config);

  const told = await ends(rounds, async (index) => {
    const container = pods.container(GREEDY, { linux: limited, ...named(index) });
    const id = await pods.create(pod, config, container);
    await pods.start(id);
    return pods.untilExited(id);
  });

  assert.deepEqual(
    told,
    Array.from({ length: rounds }, () => OOM),
  );
  await pods.remove(pod);
});

podStory(
  "so is one that has no limit of its own, when it is the pod's memory that is short",
  {},
  async (pods, daemon) => {
    using parent = podCgroup(daemon);
    parent.limit(15 << 20);
    const config = podIn(pods, parent.path);
    const pod = await pods.run(config);

    const told = await ends(4, async (index) => {
      const id = await pods.create(pod, config, pods.container(GREEDY, named(index)));
      await pods.start(id);
      return pods.untilExited(id);
    });

    assert.deepEqual(
      told,
      Array.from({ length: 4 }, () => OOM),
    );
    const usage = await pods.cri.runtime.podSandboxStats({ podSandboxId: pod });
    assert.equal(usage.stats?.linux?.memory?.availableBytes !== undefined, true, 'the pod has the limit');
    await pods.remove(pod);
  },
);

/** L18 */
podStory(
  'a container that a stop kills was not killed for want of memory, whatever happened before',
  {},
  async (pods, daemon) => {
    const config = pods.config({}, { network: NamespaceMode.NODE });
    const pod = await pods.run(config);

    const told = await ends(rounds / 2, async (index) => {
      const container = pods.container(GREEDY_CHILD, { linux: limited, ...named(index) });
      const id = await pods.create(pod, config, container);
      await pods.start(id);
      await daemon.untilPrinted(id, 'survived');
      await pods.cri.runtime.stopContainer({ containerId: id, timeout: index % 2 === 0 ? 0n : 1n });
      const types = (await daemon.history(id)).map(({ type }) => type);
      assert.ok(types.includes('container.oom'), 'that a child was killed is told by itself');
      return pods.status(id);
    });

    assert.deepEqual(
      told,
      Array.from({ length: rounds / 2 }, () => [137, 'Error']),
    );
    await pods.remove(pod);
  },
);

podStory('a program that returns 137 by itself was not killed by anybody', {}, async (pods) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const { pod, container } = await pods.launch('exit 137', { config, container: { linux: limited } });
  const { exitCode, reason } = await pods.untilExited(container);
  assert.deepEqual([exitCode, reason], [137, 'Error']);
  await pods.remove(pod);
});

function podIn(pods: Pods, cgroupParent: string) {
  return pods.config({
    linux: message(LinuxPodSandboxConfig, {
      cgroupParent,
      securityContext: message(LinuxSandboxSecurityContext, {
        namespaceOptions: namespaces({ network: NamespaceMode.NODE }),
      }),
    }),
  });
}

/** A pod's cgroup as a kubelet makes it. */
function podCgroup({ cgroupParent }: Daemon): Disposable & { readonly path: string; limit(bytes: number): void } {
  const { controllers, unified } = detectCgroupLayout();
  const path = `${cgroupParent}/pod`;
  const mounts = new Set([...controllers.values(), ...(unified === undefined ? [] : [unified])]);
  for (const mount of mounts) mkdirSync(mount + path, { recursive: true });
  const memory = controllers.get('memory');
  return {
    path,
    limit: (bytes) => {
      if (memory === undefined) {
        writeFileSync(`${unified ?? ''}${cgroupParent}/cgroup.subtree_control`, '+memory');
        writeFileSync(`${unified ?? ''}${path}/memory.max`, String(bytes));
        writeFileSync(`${unified ?? ''}${path}/memory.swap.max`, '0');
        return;
      }
      writeFileSync(`${memory}${path}/memory.limit_in_bytes`, String(bytes));
      writeFileSync(`${memory}${path}/memory.memsw.limit_in_bytes`, String(bytes));
    },
    [Symbol.dispose]: () => mounts.forEach((mount) => rmdirSync(mount + path)),
  };
}
