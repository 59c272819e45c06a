import type { ContainerRow } from '../container/state.ts';
import type { DebtRow, EventRow, ExecRow } from '../rows.ts';
import type { SandboxRow } from '../sandbox/state.ts';

/** Rows to write (by id) and to delete, and events to add, all or nothing. */
export interface Change {
  readonly containers?: readonly ContainerRow[];
  readonly sandboxes?: readonly SandboxRow[];
  readonly execs?: readonly ExecRow[];
  readonly debts?: readonly DebtRow[];
  readonly removed?: {
    readonly containers?: readonly string[];
    readonly sandboxes?: readonly string[];
    readonly execs?: readonly string[];
    readonly debts?: readonly string[];
  };
  readonly events?: readonly EventRow[];
}

export interface SavedState {
  readonly containers: readonly ContainerRow[];
  readonly sandboxes: readonly SandboxRow[];
  readonly execs: readonly ExecRow[];
  readonly debts: readonly DebtRow[];
  readonly lastEvent: number;
  /** `new`: there was none, or it could not be read; then nothing that lives may be removed for want of a row. */
  readonly origin: 'known' | 'new';
}

export interface EventQuery {
  /** Those after this number. */
  readonly after: number;
  readonly container?: string;
  readonly limit: number;
}

/**
 * Keeps rows and events. `save` is synchronous and never fails: what cannot be written now is kept in memory, and in
 * the volatile folder, until it can.
 */
export interface Store {
  load(): SavedState;
  save(change: Change): void;
  /** Resolves when everything saved so far survives a power cut, or `trouble` says why it does not. */
  durable(): Promise<void>;
  events(query: EventQuery): readonly EventRow[];
  /** The oldest event that is kept; `events` knows nothing before it. */
  readonly oldestEvent: number;
  /** Why changes are waiting in memory, other than for a moment. New containers are refused while there is a reason. */
  readonly trouble: string | undefined;
}
