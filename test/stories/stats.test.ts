import assert from 'node:assert/strict';
import { ListPodSandboxMetricsRequest, ListPodSandboxStatsRequest } from '../../src/gen/cri/api.ts';
import type { ContainerStats, Metric } from '../../src/gen/cri/api.ts';
import { LinuxContainerConfig, LinuxContainerResources, NamespaceMode } from '../../src/gen/cri/api.ts';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { message } from '../support/cri.ts';
import type { Pods } from '../support/pods.ts';
import { ownNetwork, podStory } from '../support/pods.ts';

const MIB = 1 << 20;
const WORK = 'i=0; while :; do i=$((i+1)); done';

function limited(given: Partial<LinuxContainerResources>): LinuxContainerConfig {
  return message(LinuxContainerConfig, { resources: message(LinuxContainerResources, given) });
}

async function statsOf(pods: Pods, containerId: string): Promise<ContainerStats> {
  const { stats } = await pods.cri.runtime.containerStats({ containerId });
  assert.ok(stats);
  return stats;
}

async function untilThere(pods: Pods, container: string, file: string): Promise<void> {
  await pods.exec(container, 'sh', '-c', `until [ -e ${file} ]; do sleep 0.05; done`);
}

podStory('a kubelet sees what containers use, and how fast', {}, async (pods) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const linux = limited({ memoryLimitInBytes: 64n << 20n, cpuQuota: 50_000n });
  const script = `dd if=/dev/zero of=/file bs=1M count=3; touch /done; ${WORK}`;
  const { pod, container } = await pods.launch(script, { config, container: { linux } });
  await untilThere(pods, container, '/done');
  const before = await statsOf(pods, container);
  await sleepFor(1_500);
  const { cpu, memory, swap, io, writableLayer } = await statsOf(pods, container);

  assert.equal(before.cpu?.usageNanoCores, undefined, 'one look makes no rate');
  const cores = Number(cpu?.usageNanoCores?.value) / 1e9;
  assert.ok(cores > 0.1 && cores < 0.7, `${cores} processors, of which it may use a half`);
  assert.ok(Number(cpu?.usageCoreNanoSeconds?.value) > 0);
  const used = Number(memory?.workingSetBytes?.value);
  assert.ok(used > 0 && used < 64 * MIB);
  assert.equal(Number(memory?.availableBytes?.value), 64 * MIB - used);
  assert.ok(Number(memory?.rssBytes?.value) > 0 && Number(memory?.pageFaults?.value) > 0);
  assert.deepEqual([swap?.swapUsageBytes?.value, swap?.swapAvailableBytes?.value], [0n, 0n]);
  assert.ok(cpu?.psi?.Some && memory?.psi?.Full && io?.psi?.Some, 'this kernel counts pressure');
  const written = Number(writableLayer?.usedBytes?.value);
  assert.ok(written >= 3 * MIB && written < 4 * MIB, `${written} bytes`);
  assert.ok(Number(writableLayer?.inodesUsed?.value) > 2);
  const { imageFilesystems } = await pods.cri.images.imageFsInfo({});
  assert.deepEqual(writableLayer?.fsId, imageFilesystems[0]?.fsId);
  await pods.remove(pod);
});

podStory('a pod uses what its containers use, and its network is its own', ownNetwork, async (pods) => {
  const config = pods.config();
  const { pod, container } = await pods.launch('sleep 1000', { config });
  const other = await pods.create(
    pod,
    config,
    pods.container('sleep 1000 & sleep 1000', { metadata: { name: 'other', attempt: 0 }, logPath: 'other.log' }),
  );
  await pods.start(other);
  await pods.exec(container, 'sh', '-c', 'ping -c 3 -i 0.1 $(ip route | sed -n "s/^default via \\([^ ]*\\).*/\\1/p")');

  const { stats } = await pods.cri.runtime.listPodSandboxStats(message(ListPodSandboxStatsRequest));
  assert.equal(stats.length, 1);
  const { attributes, linux } = stats[0] ?? {};
  assert.deepEqual([attributes?.id, attributes?.metadata?.uid], [pod, config.metadata?.uid]);
  assert.deepEqual(linux?.containers.map((each) => each.attributes?.id).toSorted(), [container, other].toSorted());
  const { defaultInterface, interfaces } = linux?.network ?? {};
  assert.equal(defaultInterface?.name, 'eth0');
  assert.ok(Number(defaultInterface?.rxBytes?.value) > 200 && Number(defaultInterface?.txBytes?.value) > 200);
  assert.equal(
    interfaces?.some(({ name }) => name === 'eth0' || name === 'lo'),
    false,
  );
  assert.ok(Number(linux?.process?.processCount?.value) >= 3);
  const memory = linux?.containers.map((each) => Number(each.memory?.rssBytes?.value)) ?? [];
  assert.ok(Number(linux?.memory?.rssBytes?.value) >= Math.max(...memory));

  await pods.stop(pod);
  const { stats: after } = await pods.cri.runtime.podSandboxStats({ podSandboxId: pod });
  assert.deepEqual([after?.attributes?.id, after?.linux], [pod, undefined]);
  await pods.remove(pod);
});

/** Name → its first sample. */
function firstOf(metrics: readonly Metric[]): ReadonlyMap<string, Metric> {
  return new Map(metrics.toReversed().map((metric) => [metric.name, metric]));
}

podStory(
  'every metric that is described has a sample, as the conformance suite looks at it',
  ownNetwork,
  async (pods) => {
    const linux = limited({
      cpuPeriod: 100_000n,
      cpuQuota: 20_000n,
      cpuShares: 1_024n,
      memoryLimitInBytes: 64n << 20n,
      memorySwapLimitInBytes: 64n << 20n,
    });
    const { pod, container } = await pods.launch('sleep 1000', { container: { linux } });
    await pods.exec(container, 'sh', '-c', 'mkdir /disk; for i in 1 2 3; do echo hi >/disk/$i; done; sync');

    const { descriptors } = await pods.cri.runtime.listMetricDescriptors({});
    const { podMetrics } = await pods.cri.runtime.listPodSandboxMetrics(message(ListPodSandboxMetricsRequest));

    const [{ podSandboxId, metrics, containerMetrics } = assert.fail()] = podMetrics;
    assert.deepEqual([podSandboxId, containerMetrics.map(({ containerId }) => containerId)], [pod, [container]]);
    const samples = firstOf([...metrics, ...containerMetrics.flatMap((each) => each.metrics)]);
    const wrong = descriptors.filter(({ name, labelKeys, help }) => {
      return help === '' || samples.get(name)?.labelValues.length !== labelKeys.length;
    });
    assert.deepEqual(wrong, []);
    assert.deepEqual(
      [...samples.keys()].filter((name) => !descriptors.some((each) => each.name === name)),
      [],
    );
    const value = (name: string): number => Number(samples.get(name)?.value?.value);
    assert.equal(value('container_spec_memory_limit_bytes'), 64 * MIB);
    assert.equal(value('container_spec_cpu_quota'), 20_000);
    assert.equal(value('container_threads'), 1);
    assert.ok(value('container_file_descriptors') >= 3);
    assert.ok(value('container_memory_max_usage_bytes') > 0);
    assert.ok(
      value('container_fs_usage_bytes') > 0 && value('container_fs_limit_bytes') > value('container_fs_usage_bytes'),
    );
    assert.ok(Math.abs(value('container_last_seen') - Date.now() / 1_000) < 60);
    await pods.remove(pod);
  },
);
