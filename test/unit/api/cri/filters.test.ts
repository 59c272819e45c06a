import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterContainers, filterSandboxes } from '../../../../src/api/cri/filters.ts';
import {
  ContainerFilter,
  ContainerState,
  ContainerStatsFilter,
  PodSandboxFilter,
  PodSandboxState,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { podContainerRow, podRow, viewOf } from '../../../support/cri-rows.ts';

const one = podRow({ id: 'aa11', labels: { app: 'web', tier: 'front' } });
const two = podRow({ id: 'aa22', labels: { app: 'db' } }, {}, { phase: 'stopped', stoppedAt: 1 });
const sandboxes = [{ row: one }, { row: two }];

function sandboxIds(given: Partial<PodSandboxFilter>): string[] {
  return filterSandboxes(sandboxes, message(PodSandboxFilter, given)).map(({ row }) => row.spec.id);
}

test('a filter of sandboxes passes what is all that it names', () => {
  assert.deepEqual(filterSandboxes(sandboxes, undefined), sandboxes);
  assert.deepEqual(sandboxIds({}), ['aa11', 'aa22']);
  assert.deepEqual(sandboxIds({ id: 'aa11' }), ['aa11']);
  assert.deepEqual(sandboxIds({ id: 'aa2' }), ['aa22']);
  assert.deepEqual(sandboxIds({ id: 'aa' }), [], 'a beginning that fits several');
  assert.deepEqual(sandboxIds({ id: 'bb' }), []);
  assert.deepEqual(sandboxIds({ state: { state: PodSandboxState.SANDBOX_READY } }), ['aa11']);
  assert.deepEqual(sandboxIds({ state: { state: PodSandboxState.SANDBOX_NOTREADY } }), ['aa22']);
  assert.deepEqual(sandboxIds({ labelSelector: { app: 'web' } }), ['aa11']);
  assert.deepEqual(sandboxIds({ labelSelector: { app: 'web', tier: 'back' } }), []);
  assert.deepEqual(sandboxIds({ labelSelector: { other: '' } }), []);
  assert.deepEqual(sandboxIds({ id: 'aa22', labelSelector: { app: 'web' } }), []);
});

const containers = [
  viewOf(podContainerRow({ id: 'cc11', sandboxId: 'aa11' }, { labels: { foo: 'bar' } }), one),
  viewOf(podContainerRow({ id: 'cc12', sandboxId: 'aa11', labels: { foo: 'of the image' } }), one),
  viewOf(
    podContainerRow(
      { id: 'cc22', sandboxId: 'aa22' },
      { labels: { foo: 'bar' } },
      {
        state: { phase: 'removing', exit: undefined, deadline: { bootId: '', at: 0 } },
      },
    ),
    two,
  ),
];

function containerIds(filter: ContainerFilter | ContainerStatsFilter): string[] {
  return filterContainers(containers, { filter, sandboxes }).map(({ row }) => row.spec.id);
}

test('a filter of containers passes what is all that it names', () => {
  const ids = (given: Partial<ContainerFilter>): string[] => containerIds(message(ContainerFilter, given));
  assert.deepEqual(filterContainers(containers, { filter: undefined, sandboxes }), containers);
  assert.deepEqual(ids({}), ['cc11', 'cc12', 'cc22']);
  assert.deepEqual(ids({ id: 'cc12' }), ['cc12']);
  assert.deepEqual(ids({ id: 'cc2' }), ['cc22']);
  assert.deepEqual(ids({ id: 'cc1' }), []);
  assert.deepEqual(ids({ podSandboxId: 'aa11' }), ['cc11', 'cc12']);
  assert.deepEqual(ids({ podSandboxId: 'aa2' }), ['cc22']);
  assert.deepEqual(ids({ podSandboxId: 'zz' }), []);
  assert.deepEqual(ids({ state: { state: ContainerState.CONTAINER_CREATED } }), ['cc11', 'cc12', 'cc22']);
  assert.deepEqual(ids({ state: { state: ContainerState.CONTAINER_RUNNING } }), []);
  assert.deepEqual(ids({ state: { state: ContainerState.CONTAINER_UNKNOWN } }), []);
  assert.deepEqual(ids({ labelSelector: { foo: 'bar' } }), ['cc11', 'cc22']);
  assert.deepEqual(ids({ labelSelector: { foo: 'of the image' } }), [], "the image's labels are not the container's");
  assert.deepEqual(ids({ podSandboxId: 'aa11', labelSelector: { foo: 'bar' } }), ['cc11']);
});

test('statistics are filtered like containers', () => {
  const ids = (given: Partial<ContainerStatsFilter>): string[] => containerIds(message(ContainerStatsFilter, given));
  assert.deepEqual(ids({ id: 'cc11' }), ['cc11']);
  assert.deepEqual(ids({ podSandboxId: 'aa22' }), ['cc22']);
  assert.deepEqual(ids({ labelSelector: { foo: 'baz' } }), []);
});
