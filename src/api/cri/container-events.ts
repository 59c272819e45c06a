import { currentRun } from '../../engine/index.ts';
import type { EventRow, ExitRecord } from '../../engine/index.ts';
import type { SandboxRow } from '../../engine/sandbox/state.ts';
import { ContainerEventType } from '../../gen/cri/api.ts';
import type { ContainerEventResponse, ContainerStatus } from '../../gen/cri/api.ts';
import type { CriEngine } from './engine-door.ts';
import { containers, sandboxes } from './find.ts';
import { containerStatus } from './from-state/container.ts';
import { podSandboxStatus } from './from-state/sandbox.ts';
import { nanoseconds } from './from-state/time.ts';

const { CONTAINER_CREATED_EVENT, CONTAINER_STARTED_EVENT, CONTAINER_STOPPED_EVENT, CONTAINER_DELETED_EVENT } =
  ContainerEventType;

/** Of a pod itself a kubelet is told as of one more container, whose id is the pod's. */
const TYPES: Readonly<Partial<Record<EventRow['type'], readonly ContainerEventType[]>>> = {
  'container.created': [CONTAINER_CREATED_EVENT],
  'container.started': [CONTAINER_STARTED_EVENT],
  'container.exited': [CONTAINER_STOPPED_EVENT],
  'container.removed': [CONTAINER_DELETED_EVENT],
  'sandbox.ready': [CONTAINER_CREATED_EVENT, CONTAINER_STARTED_EVENT],
  'sandbox.stopped': [CONTAINER_STOPPED_EVENT],
  'sandbox.removed': [CONTAINER_DELETED_EVENT],
};

/**
 * What a kubelet is told of the engine's events. The statuses are those of now, which may be newer than the event: who
 * lags behind wants to know how things are. Of what came and went before its client has read of it nothing is told.
 */
export class ContainerEvents {
  readonly #engine: CriEngine;
  /** As they were last seen: a kubelet cannot use an event without the pod, and the last one is that it is gone. */
  readonly #pods: Map<string, SandboxRow>;
  readonly #containers: Set<string>;
  readonly #started: Set<string>;
  #lastAt = 0n;

  constructor(engine: CriEngine) {
    this.#engine = engine;
    this.#pods = new Map(sandboxes(engine).map(({ row }) => [row.spec.id, row]));
    const known = containers(engine);
    this.#containers = new Set(known.map(({ row }) => row.spec.id));
    this.#started = new Set(
      known.filter(({ row }) => currentRun(row.state) !== undefined).map(({ row }) => row.spec.id),
    );
  }

  of(event: EventRow): readonly ContainerEventResponse[] {
    const { type, sandbox = '', container } = event;
    const types = this.#typesOf(event);
    if (types.length === 0) return [];
    const pod = this.#look(sandbox);
    const isKnown = pod !== undefined && (container === undefined || this.#isKnown(container));
    if (type === 'sandbox.removed') this.#pods.delete(sandbox);
    if (container !== undefined && type === 'container.removed') this.#containers.delete(container);
    if (!isKnown) return [];
    const containersStatuses = this.#statusesIn(sandbox);
    return types.map((containerEventType) => ({
      containerId: container ?? sandbox,
      containerEventType,
      createdAt: this.#timeOf(event),
      podSandboxStatus: podSandboxStatus(pod),
      containersStatuses,
    }));
  }

  /** A program that has ended before anybody saw it run has run all the same. */
  #typesOf({ type, container = '', body }: EventRow): readonly ContainerEventType[] {
    const types = TYPES[type] ?? [];
    if (type === 'container.started') this.#started.add(container);
    if (type !== 'container.exited') return types;
    const hasRun = (body['exit'] as ExitRecord | undefined)?.startedAt !== undefined;
    return this.#started.delete(container) || !hasRun ? types : [CONTAINER_STARTED_EVENT, ...types];
  }

  #look(id: string): SandboxRow | undefined {
    const row = sandboxes(this.#engine).find((each) => each.row.spec.id === id)?.row;
    if (row !== undefined) this.#pods.set(id, row);
    const last = this.#pods.get(id);
    return row ?? (last && { ...last, state: { phase: 'stopped', stoppedAt: last.createdAt } });
  }

  /** The engine's own containers are not told of: they are not listed either. */
  #isKnown(id: string): boolean {
    const isThere = containers(this.#engine).some(({ row }) => row.spec.id === id);
    if (isThere) this.#containers.add(id);
    return isThere || this.#containers.has(id);
  }

  #statusesIn(sandbox: string): ContainerStatus[] {
    return containers(this.#engine)
      .filter(({ row }) => row.spec.sandboxId === sandbox)
      .map(({ row }) => containerStatus(row));
  }

  /** Each later than the one before: a kubelet passes over what is not newer than what it knows. */
  #timeOf({ time }: EventRow): bigint {
    const at = nanoseconds(time);
    this.#lastAt = at > this.#lastAt ? at : this.#lastAt + 1n;
    return this.#lastAt;
  }
}
