import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerEvents } from '../../../../src/api/cri/container-events.ts';
import type { EventRow } from '../../../../src/engine/index.ts';
import type { ContainerRow } from '../../../../src/engine/container/state.ts';
import type { SandboxRow } from '../../../../src/engine/sandbox/state.ts';
import { BerthError } from '../../../../src/base/errors.ts';
import { ContainerEventType, ContainerState, GetEventsRequest, PodSandboxState } from '../../../../src/gen/cri/api.ts';
import { fakeCriEngine } from '../../../fakes/fake-cri-engine.ts';
import type { CriEngineParts } from '../../../fakes/fake-cri-engine.ts';
import { message } from '../../../support/cri.ts';
import { podContainerRow, podRow, running, viewOf } from '../../../support/cri-rows.ts';
import { containerRow } from '../../../support/rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const { CONTAINER_CREATED_EVENT, CONTAINER_STARTED_EVENT, CONTAINER_STOPPED_EVENT, CONTAINER_DELETED_EVENT } =
  ContainerEventType;

/** An engine's pods and containers, which change. */
class Host {
  readonly pods = new Map<string, SandboxRow>();
  readonly containers = new Map<string, ContainerRow>();
  #n = 0;

  pod(id: string, given: Partial<SandboxRow['spec']> = {}): SandboxRow {
    const row = podRow({ id, ...given });
    this.pods.set(id, row);
    return row;
  }

  container(id: string, sandboxId: string, row: Partial<ContainerRow> = {}): void {
    this.containers.set(id, podContainerRow({ id, sandboxId }, {}, row));
  }

  event(type: EventRow['type'], sandbox: string, container?: string, time = 1_000): EventRow {
    this.#n += 1;
    return { n: this.#n, type, time, boot: 1, sandbox, body: {}, ...(container === undefined ? {} : { container }) };
  }

  get parts(): CriEngineParts {
    return {
      sandboxes: { list: () => [...this.pods.values()].map((row) => ({ row })) },
      containers: { list: () => [...this.containers.values()].map((row) => viewOf(row)) },
    };
  }
}

test('the life of a container is four events, each with its pod and how its containers are', () => {
  const host = new Host();
  host.pod('p1', { labels: { app: 'x' } });
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  const told = (type: EventRow['type']) => {
    const [event, ...more] = events.of(host.event(type, 'p1', 'c1'));
    assert.equal(more.length, 0);
    assert.equal(event?.podSandboxStatus?.labels['app'], 'x');
    return [event?.containerId, event?.containerEventType, event?.containersStatuses.map(({ state }) => state)];
  };

  host.container('c1', 'p1');
  assert.deepEqual(told('container.created'), ['c1', CONTAINER_CREATED_EVENT, [ContainerState.CONTAINER_CREATED]]);
  host.container('c1', 'p1', { state: running() });
  assert.deepEqual(told('container.started'), ['c1', CONTAINER_STARTED_EVENT, [ContainerState.CONTAINER_RUNNING]]);
  host.container('c1', 'p1', { state: exited() });
  assert.deepEqual(told('container.exited'), ['c1', CONTAINER_STOPPED_EVENT, [ContainerState.CONTAINER_EXITED]]);
  host.containers.delete('c1');
  assert.deepEqual(told('container.removed'), ['c1', CONTAINER_DELETED_EVENT, []]);
});

function exited(): ContainerRow['state'] {
  const exit = {
    run: 1,
    code: 0,
    isCodeKnown: true,
    isOom: false,
    cause: 'self',
    exitedAt: 1,
    witness: 'pidfd',
    log: 'complete',
  } as const;
  return { phase: 'exited', exit, isCleaned: true };
}

test('a pod is told of as a container of its id, also when it is gone', () => {
  const host = new Host();
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  const told = (type: EventRow['type']) =>
    events.of(host.event(type, 'p1')).map(({ containerId, containerEventType, podSandboxStatus }) => {
      assert.deepEqual([containerId, podSandboxStatus?.metadata?.uid], ['p1', 'uid-1']);
      return [containerEventType, podSandboxStatus?.state];
    });
  const { SANDBOX_READY, SANDBOX_NOTREADY } = PodSandboxState;

  host.pod('p1');
  assert.deepEqual(told('sandbox.ready'), [
    [CONTAINER_CREATED_EVENT, SANDBOX_READY],
    [CONTAINER_STARTED_EVENT, SANDBOX_READY],
  ]);
  host.pods.delete('p1'); // it goes on before its client reads of it
  assert.deepEqual(told('sandbox.stopped'), [[CONTAINER_STOPPED_EVENT, SANDBOX_NOTREADY]]);
  assert.deepEqual(told('sandbox.removed'), [[CONTAINER_DELETED_EVENT, SANDBOX_NOTREADY]]);
  assert.deepEqual(told('sandbox.removed'), [], 'nothing is remembered of it after that');
});

test('a program that has ended before anybody saw it run was started too, unless it never ran', () => {
  const host = new Host();
  host.pod('p1');
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  const told = (startedAt?: number) => {
    host.container('c1', 'p1', { state: exited() });
    const event = host.event('container.exited', 'p1', 'c1');
    return events.of({ ...event, body: { exit: { startedAt } } }).map((each) => each.containerEventType);
  };
  assert.deepEqual(told(5), [CONTAINER_STARTED_EVENT, CONTAINER_STOPPED_EVENT]);
  assert.deepEqual(told(), [CONTAINER_STOPPED_EVENT]);
  events.of(host.event('container.started', 'p1', 'c1'));
  assert.deepEqual(told(5), [CONTAINER_STOPPED_EVENT]);
});

test('what is not of a pod, or not for kubelets, is not told', () => {
  const host = new Host();
  host.pod('p1');
  host.container('c1', 'p1');
  host.containers.set('infra', containerRow({ id: 'infra', sandboxId: 'p1', apiData: undefined }));
  host.containers.set('own', containerRow({ id: 'own', sandboxId: 's2' }));
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  for (const [sandbox, container] of [
    ['p1', 'infra'],
    ['s2', 'own'],
    ['s2', undefined],
  ] as const) {
    assert.deepEqual(events.of(host.event('container.exited', sandbox, container)), []);
  }
  for (const type of ['container.paused', 'stop.requested', 'container.cleaned', 'debt.made'] as const) {
    assert.deepEqual(events.of(host.event(type, 'p1', 'c1')), []);
  }
});

test('a client that was far behind is told nothing of what came and went meanwhile', () => {
  const host = new Host();
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  assert.deepEqual(events.of(host.event('sandbox.ready', 'p9')), []);
  assert.deepEqual(events.of(host.event('container.created', 'p9', 'c9')), []);
});

test('each event is later than the one before, whatever the clock says', () => {
  const host = new Host();
  host.pod('p1');
  host.container('c1', 'p1');
  const events = new ContainerEvents(fakeCriEngine(host.parts));
  const at = [1_000, 1_000, 900, 1_001].map((time) => {
    const [event] = events.of(host.event('container.started', 'p1', 'c1', time));
    return event?.createdAt;
  });
  assert.deepEqual(at, [1_000_000_000n, 1_000_000_001n, 1_000_000_002n, 1_001_000_000n]);
});

/** A feed that a test writes to. */
function feedOf(next: () => Promise<EventRow | undefined>, onEnd: () => void) {
  const feed = {
    next: async () => {
      const value = await next();
      return value === undefined ? { done: true as const, value: undefined } : { done: false as const, value };
    },
    return: () => Promise.resolve({ done: true as const, value: undefined }),
    [Symbol.asyncIterator]: () => feed,
    [Symbol.dispose]: onEnd,
  };
  return feed;
}

test('the stream goes on until its client goes away, and then nobody follows any more', async () => {
  const host = new Host();
  host.pod('p1');
  host.container('c1', 'p1');
  const ended = Promise.withResolvers<undefined>();
  const pending = [host.event('container.started', 'p1', 'c1')];
  const next = () => (pending.length > 0 ? Promise.resolve(pending.shift()) : ended.promise);
  await using served = await ServedCri.open({
    ...host.parts,
    events: () => feedOf(next, () => ended.resolve(undefined)),
  });

  for await (const { containerId } of served.runtime.getContainerEvents(message(GetEventsRequest))) {
    assert.equal(containerId, 'c1');
    break;
  }
  await ended.promise;
});

test('a client that does not read costs a bounded number of events, however many there are', async () => {
  const host = new Host();
  host.pod('p1', { annotations: { note: 'x'.repeat(10_000) } });
  host.container('c1', 'p1');
  let taken = 0;
  const next = async () => {
    taken += 1;
    return host.event('container.started', 'p1', 'c1');
  };
  await using served = await ServedCri.open({ ...host.parts, events: () => feedOf(next, () => undefined) });
  const stream = served.runtime.getContainerEvents(message(GetEventsRequest))[Symbol.asyncIterator]();
  await stream.next();

  let before = -1;
  while (taken !== before) {
    before = taken;
    await sleep(200);
  }

  assert.ok(taken < 2_000, `${taken} events were taken for a client that has read one`);
  await stream.return?.();
});

test('a client that is behind everything that is kept is told so', async () => {
  const lost = new BerthError('NotFound', 'Cannot give the events after 5: compacted, those kept are 90 to 100');
  await using served = await ServedCri.open({
    events: () =>
      feedOf(
        () => Promise.reject(lost),
        () => undefined,
      ),
  });
  const stream = served.runtime.getContainerEvents(message(GetEventsRequest));
  await assert.rejects(Array.fromAsync(stream), { code: 5, details: /compacted/ });
});
