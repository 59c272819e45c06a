import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../../../../src/base/errors.ts';
import { newId } from '../../../../src/base/ids.ts';
import type { ContainerRequest } from '../../../../src/engine/container/spec.ts';
import type { ExitRecord, StopRequest } from '../../../../src/engine/index.ts';
import {
  CreateContainerRequest,
  ExecSyncRequest,
  ImageSpec,
  LinuxContainerSecurityContext,
  ListContainersRequest,
  ListPodSandboxRequest,
  NamespaceMode,
  NamespaceOption,
  RunPodSandboxRequest,
} from '../../../../src/gen/cri/api.ts';
import { containerConfig, message, podConfig } from '../../../support/cri.ts';
import { engineImage, podContainerRow, podRow, viewOf } from '../../../support/cri-rows.ts';
import { containerRow } from '../../../support/rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const EXIT: ExitRecord = {
  run: 1,
  code: 0,
  isCodeKnown: true,
  isOom: false,
  cause: 'self',
  exitedAt: 1,
  witness: 'pidfd',
  log: 'pending',
};
const unchanged = { changed: false } as const;
const gone = (): Promise<never> => Promise.reject(new BerthError('NotFound', 'Cannot find it: it was removed'));

test('a pod runs under the id that the engine gives it', async () => {
  const row = podRow();
  await using served = await ServedCri.open({ sandboxes: { create: async () => ({ row }) } });
  const answer = await served.runtime.runPodSandbox(message(RunPodSandboxRequest, { config: podConfig() }));
  assert.equal(answer.podSandboxId, row.spec.id);
});

test('stopping and removing what is not there is done', async () => {
  await using served = await ServedCri.open();
  const id = newId();
  assert.deepEqual(await served.runtime.stopPodSandbox({ podSandboxId: id }), {});
  assert.deepEqual(await served.runtime.removePodSandbox({ podSandboxId: id }), {});
  assert.deepEqual(await served.runtime.stopContainer({ containerId: id, timeout: 0n }), {});
  assert.deepEqual(await served.runtime.removeContainer({ containerId: id }), {});
  const image = message(ImageSpec, { image: '0'.repeat(64) });
  assert.deepEqual(await served.images.removeImage({ image }), {});
});

test('stopping and removing what goes meanwhile is done', async () => {
  const [sandbox, row] = [podRow(), podContainerRow()];
  await using served = await ServedCri.open({
    sandboxes: { list: () => [{ row: sandbox }], stop: gone, remove: gone },
    containers: { list: () => [viewOf(row)], stop: gone, remove: gone },
    images: { find: () => engineImage() },
    removeWholeImage: gone,
  });
  await served.runtime.stopPodSandbox({ podSandboxId: sandbox.spec.id });
  await served.runtime.removePodSandbox({ podSandboxId: sandbox.spec.id });
  await served.runtime.stopContainer({ containerId: row.spec.id, timeout: 0n });
  await served.runtime.removeContainer({ containerId: row.spec.id });
  await served.images.removeImage({ image: message(ImageSpec, { image: 'busybox' }) });
});

test('an empty id is no id', async () => {
  await using served = await ServedCri.open({ images: { find: () => engineImage() } });
  const { runtime, images } = served;
  const empty = message(ImageSpec);
  const config = containerConfig();
  for (const call of [
    () => runtime.stopPodSandbox({ podSandboxId: '' }),
    () => runtime.removePodSandbox({ podSandboxId: '' }),
    () => runtime.podSandboxStatus({ podSandboxId: '', verbose: false }),
    () => runtime.createContainer({ podSandboxId: '', config, sandboxConfig: undefined }),
    () => runtime.startContainer({ containerId: '' }),
    () => runtime.stopContainer({ containerId: '', timeout: 0n }),
    () => runtime.removeContainer({ containerId: '' }),
    () => runtime.containerStatus({ containerId: '', verbose: false }),
    () => runtime.reopenContainerLog({ containerId: '' }),
    () => runtime.execSync(message(ExecSyncRequest)),
    () => runtime.containerStats({ containerId: '' }),
    () => images.imageStatus({ image: empty, verbose: false }),
    () => images.imageStatus({ image: undefined, verbose: false }),
    () => images.removeImage({ image: empty }),
    () => images.pullImage({ image: empty, auth: undefined, sandboxConfig: undefined }),
  ]) {
    await assert.rejects(call, { code: 3, details: /empty/ });
  }
});

test('everything else asks for what is there', async () => {
  await using served = await ServedCri.open();
  const { runtime } = served;
  const id = newId();
  for (const call of [
    () => runtime.podSandboxStatus({ podSandboxId: id, verbose: false }),
    () => runtime.createContainer({ podSandboxId: id, config: containerConfig(), sandboxConfig: undefined }),
    () => runtime.startContainer({ containerId: id }),
    () => runtime.containerStatus({ containerId: id, verbose: false }),
    () => runtime.reopenContainerLog({ containerId: id }),
    () => runtime.execSync(message(ExecSyncRequest, { containerId: id, cmd: ['true'] })),
    () => runtime.containerStats({ containerId: id }),
  ]) {
    await assert.rejects(call, { code: 5, details: /there is none/ });
  }
});

test('a beginning of an id is enough as long as it fits one', async () => {
  const rows = ['aa11', 'aa22', 'aa'].map((id) => podContainerRow({ id }));
  const stopped: string[] = [];
  const stop = async (id: string): Promise<typeof unchanged> => {
    stopped.push(id);
    return unchanged;
  };
  await using served = await ServedCri.open({ containers: { list: () => rows.map((row) => viewOf(row)), stop } });
  await served.runtime.stopContainer({ containerId: 'aa1', timeout: 0n });
  await served.runtime.stopContainer({ containerId: 'aa', timeout: 0n });
  await assert.rejects(served.runtime.stopContainer({ containerId: 'a', timeout: 0n }), { code: 3, details: /fits 3/ });
  assert.deepEqual(stopped, ['aa11', 'aa'], 'a whole id fits itself');
});

test('what was made at another door, or is only being made, does not exist here', async () => {
  const foreign = containerRow({ apiData: undefined });
  const young = podContainerRow({}, {}, { state: { phase: 'creating', deadline: { bootId: '', at: 0 } } });
  const youngPod = podRow({}, {}, { phase: 'creating', pins: {}, deadline: { bootId: '', at: 0 } });
  const sandboxes = [{ row: podRow({ apiData: undefined }) }, { row: youngPod }];
  await using served = await ServedCri.open({
    sandboxes: { list: () => sandboxes },
    containers: { list: () => [viewOf(foreign), viewOf(young)] },
  });
  assert.deepEqual(await served.runtime.listContainers(message(ListContainersRequest)), { containers: [] });
  assert.deepEqual(await served.runtime.listPodSandbox(message(ListPodSandboxRequest)), { items: [] });
  await served.runtime.stopContainer({ containerId: foreign.spec.id, timeout: 0n });
  await served.runtime.removePodSandbox({ podSandboxId: youngPod.spec.id });
  await assert.rejects(served.runtime.containerStatus({ containerId: young.spec.id, verbose: false }), { code: 5 });
});

test('a container is made in its sandbox, from its image', async () => {
  const [sandbox, row] = [podRow(), podContainerRow()];
  const requests: ContainerRequest[] = [];
  await using served = await ServedCri.open({
    sandboxes: { list: () => [{ row: sandbox }] },
    containers: {
      create: async (request) => {
        requests.push(request);
        return viewOf(row);
      },
    },
    images: { find: () => engineImage() },
  });
  const request = message(CreateContainerRequest, {
    podSandboxId: sandbox.spec.id.slice(0, 13),
    config: containerConfig(),
  });
  assert.deepEqual(await served.runtime.createContainer(request), { containerId: row.spec.id });
  assert.deepEqual(requests[0]?.sandbox, { id: sandbox.spec.id });
});

test('a container shows its processes to containers of its own pod only', async () => {
  const [sandbox, other] = [podRow(), podRow()];
  const target = podContainerRow({ sandboxId: other.spec.id });
  await using served = await ServedCri.open({
    sandboxes: { list: () => [{ row: sandbox }, { row: other }] },
    containers: { list: () => [viewOf(target, other)] },
    images: { find: () => engineImage() },
  });
  const namespaceOptions = message(NamespaceOption, { pid: NamespaceMode.TARGET, targetId: target.spec.id });
  const securityContext = message(LinuxContainerSecurityContext, { namespaceOptions });
  const config = containerConfig({ linux: { resources: undefined, securityContext } });
  const request = message(CreateContainerRequest, { podSandboxId: sandbox.spec.id, config });
  await assert.rejects(served.runtime.createContainer(request), { code: 3, details: /is not in sandbox/ });
});

test('a container of a pod starts once', async () => {
  const [fresh, used] = [
    podContainerRow(),
    podContainerRow({ name: 'web' }, {}, { runs: 1, state: { phase: 'exited', exit: EXIT, isCleaned: true } }),
  ];
  const started: string[] = [];
  const start = async (id: string): Promise<ReturnType<typeof viewOf>> => {
    started.push(id);
    return viewOf(fresh);
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(fresh), viewOf(used)], start } });
  await served.runtime.startContainer({ containerId: fresh.spec.id });
  await assert.rejects(served.runtime.startContainer({ containerId: used.spec.id }), {
    code: 9,
    details: `Cannot start container "web": it is exited, and a pod's starts once`,
  });
  assert.deepEqual(started, [fresh.spec.id]);
});

test('a timeout is a grace, and none is a kill', async () => {
  const row = podContainerRow();
  const requests: Partial<StopRequest>[] = [];
  const stop = async (_: string, { graceMs, isKill }: StopRequest): Promise<typeof unchanged> => {
    requests.push({ ...(graceMs === undefined ? {} : { graceMs }), ...(isKill === undefined ? {} : { isKill }) });
    return unchanged;
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], stop } });
  for (const timeout of [60n, 0n, -1n]) await served.runtime.stopContainer({ containerId: row.spec.id, timeout });
  assert.deepEqual(requests, [{ graceMs: 60_000 }, { isKill: true }, { isKill: true }]);
});

test('a container that runs is removed all the same', async () => {
  const row = podContainerRow();
  const forced: unknown[] = [];
  const remove = async (_: string, { isForced }: { isForced?: boolean }): Promise<void> => void forced.push(isForced);
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], remove } });
  await served.runtime.removeContainer({ containerId: row.spec.id });
  assert.deepEqual(forced, [true]);
});

test('an exit is told when its log is complete, or a moment later', async () => {
  const row = podContainerRow({}, {}, { state: { phase: 'exited', exit: EXIT, isCleaned: false } });
  const complete = {
    ...row,
    state: { phase: 'exited', exit: { ...EXIT, log: 'complete' }, isCleaned: false },
  } as const;
  let looks = 0;
  await using served = await ServedCri.open({
    containers: { list: () => [viewOf(++looks > 3 ? complete : row)] },
  });
  await served.runtime.containerStatus({ containerId: row.spec.id, verbose: false });
  assert.equal(looks, 4);

  looks = -1_000;
  const { status } = await served.runtime.containerStatus({ containerId: row.spec.id, verbose: false });
  assert.equal(status?.finishedAt, 1_000_000n);
  assert.ok(looks > -1_000 && looks < 3, 'it does not wait for ever');
});

test('details are told to those who ask for them', async () => {
  const [sandbox, row] = [podRow(), podContainerRow()];
  await using served = await ServedCri.open({
    sandboxes: { list: () => [{ row: sandbox }] },
    containers: { list: () => [viewOf(row)] },
    images: { find: () => engineImage() },
  });
  const image = message(ImageSpec, { image: 'busybox' });
  for (const verbose of [false, true]) {
    const { info: ofSandbox } = await served.runtime.podSandboxStatus({ podSandboxId: sandbox.spec.id, verbose });
    const { info: ofContainer } = await served.runtime.containerStatus({ containerId: row.spec.id, verbose });
    const { info: ofImage } = await served.images.imageStatus({ image, verbose });
    const { info: ofRuntime } = await served.runtime.status({ verbose });
    for (const info of [ofSandbox, ofContainer, ofImage]) assert.deepEqual(Object.keys(info), verbose ? ['info'] : []);
    assert.deepEqual(ofRuntime, verbose ? { config: '{"stateDir":"/run/berth"}' } : {});
  }
});

test('a log is opened anew by the id that the engine knows', async () => {
  const row = podContainerRow();
  const reopened: string[] = [];
  const reopenLog = async (id: string): Promise<void> => void reopened.push(id);
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], reopenLog } });
  await served.runtime.reopenContainerLog({ containerId: row.spec.id.slice(0, 12) });
  assert.deepEqual(reopened, [row.spec.id]);
});
