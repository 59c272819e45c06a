import type { Change, EventQuery, SavedState, Store } from '../../src/engine/ports.ts';
import type { ContainerRow } from '../../src/engine/container/state.ts';
import type { DebtRow, EventRow, ExecRow } from '../../src/engine/rows.ts';
import type { SandboxRow } from '../../src/engine/sandbox/state.ts';
import type { Power } from './power.ts';

/** What is on the disk: it outlives every daemon of a test. */
export class MemoryDisk {
  readonly containers = new Map<string, ContainerRow>();
  readonly sandboxes = new Map<string, SandboxRow>();
  readonly execs = new Map<string, ExecRow>();
  readonly debts = new Map<string, DebtRow>();
  readonly events: EventRow[] = [];
  origin: 'known' | 'new' = 'known';
}

/** The port Store without a disk that can fail. Everything goes through JSON, as with the real one. */
export class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #power: Power | undefined;
  trouble: string | undefined;

  constructor(disk: MemoryDisk, power?: Power) {
    this.#disk = disk;
    this.#power = power;
  }

  load(): SavedState {
    const { containers, sandboxes, execs, debts, events, origin } = this.#disk;
    return structuredClone({
      containers: [...containers.values()],
      sandboxes: [...sandboxes.values()],
      execs: [...execs.values()],
      debts: [...debts.values()],
      lastEvent: events.at(-1)?.n ?? 0,
      origin,
    });
  }

  save(change: Change): void {
    this.#power?.need();
    const { containers = [], sandboxes = [], execs = [], debts = [], removed = {}, events = [] } = copy(change);
    for (const row of containers) this.#disk.containers.set(row.spec.id, row);
    for (const row of sandboxes) this.#disk.sandboxes.set(row.spec.id, row);
    for (const row of execs) this.#disk.execs.set(row.id, row);
    for (const row of debts) this.#disk.debts.set(row.id, row);
    for (const id of removed.containers ?? []) this.#disk.containers.delete(id);
    for (const id of removed.sandboxes ?? []) this.#disk.sandboxes.delete(id);
    for (const id of removed.execs ?? []) this.#disk.execs.delete(id);
    for (const id of removed.debts ?? []) this.#disk.debts.delete(id);
    this.#disk.events.push(...events);
  }

  async durable(): Promise<void> {
    await this.#power?.live(() => Promise.resolve());
  }

  events({ after, container, limit }: EventQuery): readonly EventRow[] {
    return this.#disk.events
      .filter((event) => event.n > after && (container === undefined || event.container === container))
      .slice(0, limit);
  }

  get oldestEvent(): number {
    return this.#disk.events[0]?.n ?? 1;
  }
}

function copy(change: Change): Change {
  return JSON.parse(JSON.stringify(change)) as Change;
}
