import { newId } from '../base/ids.ts';
import type { Clock } from '../base/clock.ts';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { detach } from './detach.ts';
import type { Journal } from './journal.ts';
import type { DebtKind, DebtRow } from './rows.ts';

/** Something that could not be cleaned. */
export type DebtOrder = Omit<DebtRow, 'id' | 'since' | 'tries' | 'lastError'> & { readonly error: string };

export type Payer = (debt: DebtRow) => Promise<void>;

interface Entry {
  row: DebtRow;
  /** Boottime in ms. */
  nextTryAt: number;
}

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 300_000;
/** An address that is owed is missing to others, and what stands in its way is often on its way: a plugin's daemon. */
const LAST_NETWORK_RETRY_MS = 30_000;

/**
 * What could not be cleaned yet. Every debt is retried after 1 s, 2 s, … up to every 5 min (a network: 30 s) until it is paid; only a
 * person can forgive one. One debt that hangs does not keep the others waiting.
 */
export class Debts {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #journal: Journal;
  readonly #entries = new Map<string, Entry>();
  readonly #payers = new Map<DebtKind, Payer>();
  readonly #inWork = new Set<string>();
  #onPaid: (debt: DebtRow) => Promise<void> = () => Promise.resolve();
  #changed = new AbortController();

  constructor(clock: Clock, log: Log, journal: Journal) {
    this.#clock = clock;
    this.#log = log;
    this.#journal = journal;
  }

  /** How each kind is paid, and who wants to hear that it was. */
  connect(payers: Readonly<Record<DebtKind, Payer>>, onPaid: (debt: DebtRow) => Promise<void>): void {
    for (const [kind, payer] of Object.entries(payers)) this.#payers.set(kind as DebtKind, payer);
    this.#onPaid = onPaid;
  }

  /** Takes up the debts that an earlier daemon left. They are tried at once: its reasons may be gone. */
  restore(rows: readonly DebtRow[]): void {
    for (const row of rows) this.#entries.set(row.id, { row, nextTryAt: 0 });
  }

  list(): readonly DebtRow[] {
    return [...this.#entries.values()].map(({ row }) => row);
  }

  owedFor(container: string, run?: number): boolean {
    return this.list().some((debt) => debt.container === container && (run === undefined || debt.run === run));
  }

  /** The same thing owed twice is one debt. */
  add(order: DebtOrder): void {
    const { error, ...owed } = order;
    const same = this.list().find(
      (debt) =>
        debt.kind === owed.kind &&
        debt.what === owed.what &&
        debt.container === owed.container &&
        debt.run === owed.run,
    );
    if (same !== undefined) return;
    const row: DebtRow = { ...owed, id: newId().slice(0, 12), since: this.#clock.wall(), tries: 1, lastError: error };
    this.#entries.set(row.id, { row, nextTryAt: this.#clock.now() + FIRST_RETRY_MS });
    this.#journal.record({ debts: [row] }, [event('debt.made', row, { error })]);
    this.#log.warn('something could not be cleaned yet', { kind: row.kind, what: row.what, error });
    this.#changed.abort();
  }

  /**
   * Gives a debt up for good: a person has seen to it.
   * @throws BerthError NotFound
   */
  async forgive(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new BerthError('NotFound', `Cannot forgive debt "${id}": there is none`);
    await this.#settle(entry.row, { forgiven: true });
  }

  /** Retries until the signal aborts. */
  async run(shutdown: AbortSignal): Promise<void> {
    while (!shutdown.aborted) {
      for (const entry of this.#entries.values()) {
        if (entry.nextTryAt <= this.#clock.now() && !this.#inWork.has(entry.row.id)) {
          detach(this.#log, 'debt', this.#pay(entry));
        }
      }
      const next = Math.min(
        ...[...this.#entries.values()].map(({ nextTryAt }) => nextTryAt),
        this.#clock.now() + LAST_RETRY_MS,
      );
      this.#changed = new AbortController();
      const wait = Math.max(next - this.#clock.now(), FIRST_RETRY_MS / 10);
      await this.#clock.sleep(wait, AbortSignal.any([shutdown, this.#changed.signal]));
    }
  }

  async #pay(entry: Entry): Promise<void> {
    const { row } = entry;
    this.#inWork.add(row.id);
    entry.nextTryAt = this.#clock.now() + LAST_RETRY_MS;
    try {
      await this.#payers.get(row.kind)?.(row);
    } catch (error) {
      this.#tryLater(entry, error);
      return;
    } finally {
      this.#inWork.delete(row.id);
    }
    if (this.#entries.has(row.id)) await this.#settle(row, {});
  }

  /** One that was forgiven meanwhile is not saved again. */
  #tryLater(entry: Entry, error: unknown): void {
    const { row } = entry;
    if (!this.#entries.has(row.id)) return;
    entry.row = { ...row, tries: row.tries + 1, lastError: messageOf(error) };
    const longest = row.kind === 'network' ? LAST_NETWORK_RETRY_MS : LAST_RETRY_MS;
    entry.nextTryAt = this.#clock.now() + Math.min(FIRST_RETRY_MS * 2 ** row.tries, longest);
    this.#journal.record({ debts: [entry.row] }, []);
    this.#changed.abort(); // whoever waits for the next one waits for too long
  }

  async #settle(row: DebtRow, body: Record<string, unknown>): Promise<void> {
    this.#entries.delete(row.id);
    this.#journal.record({ removed: { debts: [row.id] } }, [event('debt.paid', row, body)]);
    await this.#onPaid(row);
  }
}

function event(type: 'debt.made' | 'debt.paid', row: DebtRow, body: Record<string, unknown>) {
  const { container, run, sandbox } = row;
  return {
    type,
    ...(container === undefined ? {} : { container }),
    ...(run === undefined ? {} : { run }),
    ...(sandbox === undefined ? {} : { sandbox }),
    body: { debt: row.id, kind: row.kind, what: row.what, tries: row.tries, ...body },
  };
}
