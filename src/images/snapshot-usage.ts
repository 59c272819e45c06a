import { setTimeout as sleepFor } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { SnapshotUsage } from '../engine/ports.ts';
import type { Children } from '../linux/children.ts';

export interface SnapshotUsageParts {
  readonly children: Children;
  readonly log: Log;
  /** What a container has written. */
  readonly upperOf: (containerId: string) => string;
}

/** A size is not asked for again before this, nor before the last look has cost less than a twentieth of the time. */
const FRESH_MS = 30_000;
const REST_PER_LOOK = 19;
const REST_AFTER_FAILURE_MS = 300_000;
const LOOK_WITHIN_MS = 120_000;
const MOST_AT_ONCE = 64;
/** How long who asks for the first time waits. */
const PATIENCE_MS = 3_000;

/**
 * What containers' own layers take on the disk. A tree may have millions of files, so it is looked at by processes of
 * low rank, one at a time, and only for as long as somebody asks.
 */
export class SnapshotUsages {
  readonly #parts: SnapshotUsageParts;
  readonly #known = new Map<string, SnapshotUsage>();
  readonly #wanted = new Set<string>();
  readonly #looking = new Set<string>();
  #work: Promise<void> | undefined;
  #restsUntil = 0;
  #brokenUntil = 0;

  constructor(parts: SnapshotUsageParts) {
    this.#parts = parts;
  }

  /** The newest sizes; one that nobody has asked for yet is waited for, for a while. What is gone is left out. */
  async of(containerIds: readonly string[]): Promise<ReadonlyMap<string, SnapshotUsage>> {
    const old = Date.now() - FRESH_MS;
    for (const id of containerIds) if ((this.#known.get(id)?.at ?? 0) < old) this.#wanted.add(id);
    this.#begin();
    await this.#untilKnown(containerIds);
    return new Map(
      containerIds.flatMap((id) => {
        const usage = this.#known.get(id);
        return usage === undefined ? [] : [[id, usage]];
      }),
    );
  }

  forget(containerId: string): void {
    for (const ids of [this.#known, this.#wanted, this.#looking]) ids.delete(containerId);
  }

  async #untilKnown(containerIds: readonly string[]): Promise<void> {
    const over = new AbortController();
    const patience = sleepFor(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    const known = async (): Promise<void> => {
      while (this.#work !== undefined && containerIds.some((id) => !this.#known.has(id))) await this.#work;
    };
    await Promise.race([known(), patience]);
    over.abort();
  }

  /** New ones first; those that are known are looked at again when the last look has paid for itself. */
  #begin(): void {
    const now = performance.now();
    if (this.#work !== undefined || now < this.#brokenUntil) return;
    const isNew = (id: string): boolean => !this.#known.has(id);
    const again = now < this.#restsUntil ? [] : [...this.#wanted].filter((id) => !isNew(id));
    const ids = [...[...this.#wanted].filter(isNew), ...again].slice(0, MOST_AT_ONCE);
    if (ids.length === 0) return;
    this.#work = this.#measure(ids).finally(() => {
      this.#work = undefined;
      this.#begin();
    });
  }

  /** It never rejects. */
  async #measure(ids: readonly string[]): Promise<void> {
    const begun = performance.now();
    for (const id of ids) {
      this.#wanted.delete(id);
      this.#looking.add(id);
    }
    try {
      for (const [id, usage] of await this.#look(ids)) if (this.#looking.has(id)) this.#known.set(id, usage);
      this.#restsUntil = performance.now() + REST_PER_LOOK * (performance.now() - begun);
    } catch (error) {
      this.#parts.log.warn('sizes of containers not measured', { reason: messageOf(error) });
      this.#brokenUntil = performance.now() + REST_AFTER_FAILURE_MS;
    }
    this.#looking.clear();
  }

  /** Files that come and go while it looks make it complain, which changes nothing. */
  async #look(ids: readonly string[]): Promise<Map<string, SnapshotUsage>> {
    const { children, upperOf } = this.#parts;
    const paths = new Map(ids.map((id) => [upperOf(id), id]));
    const { stdout } = await children.run('nice', ['-n', '10', 'sh', '-c', LOOK, 'berth-size', ...paths.keys()], {
      deadlineMs: LOOK_WITHIN_MS,
    });
    const [bytes, inodes] = stdout.split('\n\n').map(sizesIn);
    return new Map(
      [...paths].flatMap(([path, id]) => {
        const [usedBytes, usedInodes] = [bytes?.get(path), inodes?.get(path)];
        return usedBytes === undefined || usedInodes === undefined
          ? []
          : [[id, { at: Date.now(), usedBytes, usedInodes }]];
      }),
    );
  }
}

/** Two passes, of which the second finds everything in memory: du counts either bytes or inodes. */
const LOOK = 'du -sx -B1 -- "$@"; echo; du -sx --inodes -- "$@"';

function sizesIn(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').map((line) => line.split('\t'));
  return new Map(lines.map(([size, path = '']) => [path, Number(size)]));
}
