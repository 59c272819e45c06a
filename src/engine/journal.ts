import type { Clock } from '../base/clock.ts';
import { BerthError } from '../base/errors.ts';
import type { Change, Store } from './ports.ts';
import type { EventRow } from './rows.ts';

/** An event before it has its number and time. */
export type NewEvent = Omit<EventRow, 'n' | 'time' | 'boot'>;

export interface FollowOptions {
  /** Events after this number; left out: only what comes from now on. */
  readonly after?: number;
  readonly container?: string;
}

/** Subscribed from the moment that it exists. Ends with `return()` or disposal. */
export interface EventFeed extends AsyncIterableIterator<EventRow>, Disposable {}

/** Events kept in memory for those who follow; a reader that is further behind reads from the store. */
const RECENT = 1_024;
const PAGE = 256;

/**
 * The numbered history of everything. Rows and the events that tell of them are saved together; then the followers are
 * woken. A follower has no queue: it has a number, and reads on from there at its own speed, so a slow one costs
 * nothing and loses nothing.
 */
export class Journal {
  readonly #store: Store;
  readonly #clock: Clock;
  #last: number;
  #recent: EventRow[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(store: Store, clock: Clock, lastEvent: number) {
    this.#store = store;
    this.#clock = clock;
    this.#last = lastEvent;
  }

  /** The number of the newest event. */
  get last(): number {
    return this.#last;
  }

  /** Saves the change and its events in one transaction, and tells the followers. */
  record(change: Omit<Change, 'events'>, events: readonly NewEvent[]): void {
    const time = this.#clock.wall();
    const boot = this.#clock.now();
    const rows = events.map((event): EventRow => ({ ...event, n: (this.#last += 1), time, boot }));
    this.#store.save(rows.length === 0 ? change : { ...change, events: rows });
    if (rows.length === 0) return;
    this.#recent.push(...rows);
    if (this.#recent.length > 2 * RECENT) this.#recent = this.#recent.slice(-RECENT);
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }

  /** Events after `after`, oldest first, at most a page of them. */
  read({ after, container }: { readonly after: number; readonly container?: string }): readonly EventRow[] {
    const [oldestRecent] = this.#recent;
    if (after >= this.#last) return [];
    if (oldestRecent === undefined || oldestRecent.n > after + 1) {
      return this.#store.events({ after, limit: PAGE, ...(container === undefined ? {} : { container }) });
    }
    const start = this.#recent.findIndex((event) => event.n > after);
    const newer = this.#recent.slice(start);
    return (container === undefined ? newer : newer.filter((event) => event.container === container)).slice(0, PAGE);
  }

  /** Everything that is kept of one container. */
  historyOf(container: string): readonly EventRow[] {
    const all: EventRow[] = [];
    for (
      let page = this.#storedAfter(0, container);
      page.length > 0;
      page = this.#storedAfter(all.at(-1)?.n ?? 0, container)
    ) {
      all.push(...page);
    }
    return all;
  }

  /** @throws BerthError NotFound when events after `after` are not kept any more: the reader must look at everything anew */
  follow({ after = this.#last, container }: FollowOptions): EventFeed {
    this.#refuseUnlessKept(after);
    return new Feed(
      (cursor) => {
        this.#refuseUnlessKept(cursor); // a reader that sleeps for long may be overtaken
        return this.read({ after: cursor, ...(container === undefined ? {} : { container }) });
      },
      () => this.#last,
      this.#waiting,
      after,
    );
  }

  #refuseUnlessKept(after: number): void {
    const { oldestEvent } = this.#store;
    if (after + 1 >= oldestEvent && after <= this.#last) return;
    const kept = this.#last < oldestEvent ? 'there are none' : `those kept are ${oldestEvent} to ${this.#last}`;
    throw new BerthError('NotFound', `Cannot give the events after ${after}: compacted, ${kept}`);
  }

  #storedAfter(after: number, container: string): readonly EventRow[] {
    return this.#store.events({ after, container, limit: PAGE });
  }
}

/** Written by hand: the `finally` of an async generator whose `next()` nobody calls never runs, so it would leak. */
class Feed implements EventFeed {
  readonly #read: (after: number) => readonly EventRow[];
  readonly #lastNumber: () => number;
  readonly #waiting: Set<() => void>;
  #cursor: number;
  #page: EventRow[] = [];
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(
    read: (after: number) => readonly EventRow[],
    lastNumber: () => number,
    waiting: Set<() => void>,
    after: number,
  ) {
    this.#read = read;
    this.#lastNumber = lastNumber;
    this.#waiting = waiting;
    this.#cursor = after;
  }

  async next(): Promise<IteratorResult<EventRow>> {
    while (!this.#isOver) {
      if (this.#page.length === 0) {
        const newest = this.#lastNumber();
        this.#page = [...this.#read(this.#cursor)];
        if (this.#page.length === 0) this.#cursor = Math.max(this.#cursor, newest); // nothing for us up to here
      }
      const event = this.#page.shift();
      if (event !== undefined) {
        this.#cursor = event.n;
        return { done: false, value: event };
      }
      await this.#untilWoken();
    }
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<EventRow>> {
    this[Symbol.dispose]();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#page = [];
    if (this.#wake === undefined) return;
    this.#waiting.delete(this.#wake);
    this.#wake();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #untilWoken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#waiting.add(resolve);
    return promise;
  }
}
