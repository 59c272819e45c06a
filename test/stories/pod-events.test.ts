import assert from 'node:assert/strict';
import { ContainerEventType, ContainerState, NamespaceMode, PodSandboxState } from '../../src/gen/cri/api.ts';
import type { ContainerEventResponse } from '../../src/gen/cri/api.ts';
import type { Pods } from '../support/pods.ts';
import { podStory } from '../support/pods.ts';
import { allowance } from '../support/scale.ts';

const NAMES = new Map(
  Object.entries(ContainerEventType).map(([name, value]) => [value, name.split('_')[1]?.toLowerCase()] as const),
);

/** What a kubelet reads while something is done. */
async function eventsDuring(pods: Pods, last: string, work: () => Promise<void>): Promise<ContainerEventResponse[]> {
  const stream = pods.cri.runtime.getContainerEvents({});
  const seen: ContainerEventResponse[] = [];
  const reading = (async () => {
    for await (const event of stream) {
      seen.push(event);
      if (event.containerId === last && event.containerEventType === ContainerEventType.CONTAINER_DELETED_EVENT) return;
    }
  })();
  await stream.opened;
  await work();
  await reading;
  return seen;
}

podStory('a kubelet is told what happens to its containers, with how its pod is then', {}, async (pods, daemon) => {
  const config = pods.config({}, { network: NamespaceMode.NODE });
  const pod = await pods.run(config);
  const own = await daemon.run('exit 0'); // of another door: no affair of a kubelet
  let container = '';

  const seen = await eventsDuring(pods, pod, async () => {
    container = await pods.create(pod, config, pods.container('exit 3'));
    await pods.start(container);
    await pods.untilExited(container);
    await pods.cri.runtime.removeContainer({ containerId: container });
    await pods.remove(pod);
  });

  const told = seen.map(({ containerId, containerEventType }) => [
    containerId === pod ? 'pod' : containerId === container ? 'container' : 'somebody',
    NAMES.get(containerEventType),
  ]);
  assert.deepEqual(told, [
    ['container', 'created'],
    ['container', 'started'],
    ['container', 'stopped'],
    ['container', 'deleted'],
    ['pod', 'stopped'],
    ['pod', 'deleted'],
  ]);
  assert.ok(seen.every(({ podSandboxStatus }) => podSandboxStatus?.metadata?.uid === config.metadata?.uid));
  const stopped = seen[2]?.containersStatuses[0];
  assert.deepEqual([stopped?.state, stopped?.exitCode], [ContainerState.CONTAINER_EXITED, 3]);
  assert.equal(seen[5]?.podSandboxStatus?.state, PodSandboxState.SANDBOX_NOTREADY);
  const times = seen.map(({ createdAt }) => createdAt);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => Number(a - b)),
  );
  assert.equal(new Set(times).size, times.length, 'each is later than the one before');
  await daemon.remove(own.id);
});

/** L13 */
podStory('clients that do not read their events slow nothing down', {}, async (pods, daemon) => {
  // Each event carries the pod, so that little has room between the two ends.
  const config = pods.config({ annotations: { note: 'x'.repeat(100_000) } }, { network: NamespaceMode.NODE });
  const pod = await pods.run(config);
  const stalled = new AbortController();
  for (let client = 0; client < 5; client += 1) {
    await pods.cri.runtime.getContainerEvents({}, { signal: stalled.signal }).opened;
  }
  const late: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const container = await pods.create(pod, config, pods.container('sleep 1000'));
    await pods.start(container);
    const [pid = 0] = daemon.cgroupOf(container).pids();
    const killedAt = performance.now();
    process.kill(pid, 'SIGKILL');
    const status = await pods.untilExited(container);
    late.push(performance.now() - killedAt);
    assert.deepEqual([status.exitCode, status.reason], [137, 'Error']);
    await pods.cri.runtime.removeContainer({ containerId: container });
  }
  stalled.abort();
  const slowest = Math.max(...late);
  assert.ok(slowest < allowance(400), `an exit was seen ${slowest} ms after it`);
  await pods.remove(pod);
});
