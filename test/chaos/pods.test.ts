import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { STEPS } from '../../src/engine/index.ts';
import { NamespaceMode, PodSandboxState } from '../../src/gen/cri/api.ts';
import { story } from '../support/daemon.ts';
import type { Daemon } from '../support/daemon.ts';
import { Pods, ownNetwork } from '../support/pods.ts';

const points = STEPS.filter((step) => /^(sandbox|update)\.|^start\.infra$/.test(step)).flatMap((step) => [
  `${step}.before`,
  `${step}.after`,
]);

/** A pod from its making to its removal, with a network and a shared PID namespace. */
async function live(daemon: Daemon): Promise<void> {
  using pods = new Pods(daemon);
  const { POD } = NamespaceMode;
  const config = pods.config({}, { pid: POD });
  const pod = await pods.run(config);
  const container = await pods.create(pod, config, pods.container('sleep 1000', {}, { pid: POD }));
  await pods.start(container);
  await pods.update(container, { cpuShares: 512n });
  await pods.updatePod(pod, { cpuShares: 1_024n });
  await pods.stop(pod);
  await pods.remove(pod);
}

story('the daemon dies at each failpoint of a pod, and the next one makes it right', ownNetwork, async (daemon, t) => {
  for (const point of points) {
    await daemon.kill();
    await daemon.boot(`${point}:exit`);
    await daemon.untilRecovered();
    const living = live(daemon);
    living.catch(() => undefined);
    for (let waited = 0; daemon.isAlive; waited += 10) {
      assert.ok(waited < 20_000, `${point} is never reached`);
      await sleepFor(10);
    }
    await daemon.boot();
    await daemon.untilRecovered();
    try {
      await verify(daemon);
    } catch (error) {
      t.diagnostic(`at ${point}`);
      throw error;
    }
  }
});

/** Whatever the pod was in the midst of: it can be stopped and removed, a new one can be made, and nothing is left. */
async function verify(daemon: Daemon): Promise<void> {
  using pods = new Pods(daemon);
  const { runtime } = pods.cri;
  for (const { id } of (await runtime.listPodSandbox({ filter: undefined })).items) {
    await pods.stop(id);
    assert.equal((await pods.podStatus(id)).state, PodSandboxState.SANDBOX_NOTREADY);
    await pods.remove(id);
  }
  assert.deepEqual((await runtime.listContainers({ filter: undefined })).containers, []);
  const again = await pods.run(pods.config());
  await pods.remove(again);
  while ((await daemon.get<{ debts: unknown[] }>('/v1/debts')).debts.length > 0) await sleepFor(20);
  const pinned = daemon.mounts().filter((line) => /netns|\/ns\/|rootfs/.test(line));
  assert.deepEqual(
    pinned.filter((line) => !line.includes(' tmpfs ') && existsSync(line.split(' ')[1] ?? '')),
    [],
  );
}
