import assert from 'node:assert/strict';
import { LinuxContainerConfig, LinuxContainerResources, NamespaceMode } from '../../src/gen/cri/api.ts';
import { message } from '../support/cri.ts';
import type { Daemon } from '../support/daemon.ts';
import { Pods, podStory } from '../support/pods.ts';

const MIB = 1n << 20n;

const linux = message(LinuxContainerConfig, {
  resources: message(LinuxContainerResources, {
    memoryLimitInBytes: 64n * MIB,
    cpuQuota: 50_000n,
    cpuPeriod: 100_000n,
  }),
});

/** What the kernel has, whichever cgroups it has. */
function limitsOf(daemon: Daemon, id: string): readonly (string | undefined)[] {
  const cgroup = daemon.cgroupOf(id);
  const quota = cgroup.read('cpu.cfs_quota_us') ?? cgroup.read('cpu.max')?.split(' ')[0];
  return [cgroup.read('memory.limit_in_bytes') ?? cgroup.read('memory.max'), quota].map((text) => text?.trim());
}

podStory(
  'a kubelet resizes a container that runs, and a daemon that is killed does not forget it',
  {},
  async (pods, daemon) => {
    const config = pods.config({}, { network: NamespaceMode.NODE });
    const { pod, container } = await pods.launch('sleep 1000', { config, container: { linux } });
    const { pid } = JSON.parse((await infoOf(pods, container)) ?? '') as { pid: number };

    await pods.update(container, { memoryLimitInBytes: 128n * MIB });
    await pods.update(container, { cpuQuota: 20_000n });

    const expected = { memory: 128n * MIB, swap: 128n * MIB, quota: 20_000n, period: 100_000n };
    assert.deepEqual(limitsOf(daemon, container), ['134217728', '20000']);
    assert.deepEqual(await resourcesOf(pods, container), expected);
    await daemon.kill();
    await daemon.boot();
    await daemon.untilRecovered();
    using later = new Pods(daemon);
    assert.deepEqual(await resourcesOf(later, container), expected);
    await later.update(container, { memoryLimitInBytes: 32n * MIB });
    assert.deepEqual(limitsOf(daemon, container), ['33554432', '20000']);
    const after = JSON.parse((await infoOf(later, container)) ?? '') as { pid: number };
    assert.equal(after.pid, pid, 'it was not started again');
    await later.remove(pod);
  },
);

podStory('a container that is resized before it starts, starts with that', {}, async (pods, daemon) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const pod = await pods.run(config);
  const container = await pods.create(pod, config, pods.container('sleep 1000', { linux }));
  await pods.update(container, { memoryLimitInBytes: 96n * MIB, cpuQuota: -1n });
  await pods.start(container);
  assert.equal(limitsOf(daemon, container)[0], '100663296');
  assert.match(limitsOf(daemon, container)[1] ?? '', /^(-1|max)$/);
  await pods.remove(pod);
});

podStory('a size that cannot be had is refused with the reason, and nothing is changed', {}, async (pods, daemon) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const script = 'a=$(head -c 31457280 /dev/zero | tr "\\0" x); touch /ready; sleep 1000 & wait';
  const { pod, container } = await pods.launch(script, { config, container: { linux } });
  await pods.exec(container, 'sh', '-c', 'until [ -e /ready ]; do sleep 0.05; done');
  const before = [limitsOf(daemon, container), await resourcesOf(pods, container)];

  await assert.rejects(pods.update(container, { cpuQuota: 30_000n, memoryLimitInBytes: 16n * MIB }), {
    code: 9,
    details: /it uses \d+\.\d MiB/,
  });
  await assert.rejects(pods.update(container, { memoryLimitInBytes: 1n }), { code: 3, details: /at least/ });
  await assert.rejects(pods.update(container, { cpuShares: 100n, cpusetCpus: '4000' }), { code: 3 });

  assert.deepEqual([limitsOf(daemon, container), await resourcesOf(pods, container)], before);
  await pods.stop(pod);
  await pods.update(container, { memoryLimitInBytes: 16n * MIB }); // nobody is in it any more
  await pods.remove(pod);
});

async function infoOf(pods: Pods, containerId: string): Promise<string | undefined> {
  const { info } = await pods.cri.runtime.containerStatus({ containerId, verbose: true });
  return info['info'];
}

async function resourcesOf(pods: Pods, container: string): Promise<object> {
  const told = (await pods.status(container)).resources?.linux;
  return {
    memory: told?.memoryLimitInBytes,
    swap: told?.memorySwapLimitInBytes,
    quota: told?.cpuQuota,
    period: told?.cpuPeriod,
  };
}
