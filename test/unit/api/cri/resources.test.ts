import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf } from '../../../../src/api/cri/to-spec/resources.ts';
import type { Resources } from '../../../../src/engine/container/spec.ts';
import { BerthError } from '../../../../src/base/errors.ts';
import {
  LinuxContainerResources,
  UpdateContainerResourcesRequest,
  UpdatePodSandboxResourcesRequest,
  WindowsContainerResources,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { podContainerRow, podRow, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const LIMITED: Resources = { memoryBytes: 100, memorySwapBytes: 150, cpuQuotaUs: 1_000, cpuPeriodUs: 10_000 };

const changes: readonly (readonly [string, Partial<LinuxContainerResources>, Resources, Resources])[] = [
  ['nothing named is nothing changed', {}, LIMITED, {}],
  ['only what is named', { cpuShares: 512n }, LIMITED, { cpuShares: 512 }],
  [
    'a first limit of memory is one of swap too',
    { memoryLimitInBytes: 9n },
    {},
    { memoryBytes: 9, memorySwapBytes: 9 },
  ],
  ['a limit that moves leaves swap to the engine', { memoryLimitInBytes: 9n }, LIMITED, { memoryBytes: 9 }],
  [
    'swap that is named',
    { memoryLimitInBytes: 9n, memorySwapLimitInBytes: 12n },
    LIMITED,
    { memoryBytes: 9, memorySwapBytes: 12 },
  ],
  ['no quota', { cpuQuota: -1n }, LIMITED, { cpuQuotaUs: -1 }],
  ['processors', { cpusetCpus: '0-1', cpusetMems: '0' }, LIMITED, { cpusetCpus: '0-1', cpusetMems: '0' }],
  ['the score of its processes stays', { oomScoreAdj: 5n }, LIMITED, {}],
];

for (const [name, asked, before, expected] of changes) {
  test(`a change of limits: ${name}`, () => {
    assert.deepEqual(changeOf(message(LinuxContainerResources, asked), before), expected);
  });
}

test('limits are changed by the id that the engine knows, with what else was said', async () => {
  const row = podContainerRow();
  const asked: unknown[] = [];
  const update = async (id: string, request: object) => {
    const { signal: _, ...rest } = request as { signal: AbortSignal };
    asked.push([id, rest]);
    return viewOf(row);
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], update } });
  const linux = message(LinuxContainerResources, { cpuShares: 7n });
  const containerId = row.spec.id.slice(0, 12);
  await served.runtime.updateContainerResources(
    message(UpdateContainerResourcesRequest, { containerId, linux, annotations: { 'x.org/why': 'resize' } }),
  );
  await served.runtime.updateContainerResources(message(UpdateContainerResourcesRequest, { containerId }));
  const requester = 'cri (uid 0, pid 1)';
  assert.deepEqual(asked, [
    [row.spec.id, { resources: { cpuShares: 7 }, annotations: { 'x.org/why': 'resize' }, requester }],
  ]);
});

test('limits that are refused are an error, and so are those of another system', async () => {
  const row = podContainerRow();
  const refused = new BerthError('WrongState', 'Cannot limit its memory to 6.0 MiB: it uses 9.0 MiB');
  const update = (): Promise<never> => Promise.reject(refused);
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], update } });
  const request = message(UpdateContainerResourcesRequest, { containerId: row.spec.id });
  const linux = message(LinuxContainerResources);
  const windows = message(WindowsContainerResources);
  await assert.rejects(served.runtime.updateContainerResources({ ...request, linux }), { code: 9, details: /it uses/ });
  await assert.rejects(served.runtime.updateContainerResources({ ...request, windows }), { code: 12 });
  await assert.rejects(served.runtime.updateContainerResources({ ...request, containerId: 'x' }), { code: 5 });
});

test("a pod's limits are kept with it, each until another one is told", async () => {
  let row = podRow();
  const update = async (_: string, { apiData }: { readonly apiData: unknown }) => {
    row = { ...row, spec: { ...row.spec, apiData } };
    return { row };
  };
  await using served = await ServedCri.open({ sandboxes: { list: () => [{ row }], update } });
  const podSandboxId = row.spec.id;
  const limits = (cpuShares: bigint) => message(LinuxContainerResources, { cpuShares });
  const call = (given: Partial<UpdatePodSandboxResourcesRequest>) =>
    served.runtime.updatePodSandboxResources(message(UpdatePodSandboxResourcesRequest, { podSandboxId, ...given }));
  await call({ resources: limits(3n), overhead: limits(4n) });
  await call({ resources: limits(5n) });

  const { info } = await served.runtime.podSandboxStatus({ podSandboxId, verbose: true });
  const { apiData } = JSON.parse(info['info'] ?? '') as { apiData: object };
  assert.deepEqual(apiData, {
    door: 'cri',
    isPrivileged: false,
    runtimeHandler: '',
    resources: { cpuShares: 5 },
    overhead: { cpuShares: 4 },
  });
});

test('a checkpoint is refused with the reason', async () => {
  const row = podContainerRow({ name: 'web' });
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)] } });
  const request = { containerId: row.spec.id, location: '/tmp/x.tar', timeout: 0n };
  await assert.rejects(served.runtime.checkpointContainer(request), {
    code: 12,
    details: 'Cannot checkpoint container "web": berth cannot save what processes have in memory',
  });
  await assert.rejects(served.runtime.checkpointContainer({ ...request, containerId: 'x' }), { code: 5 });
});
