import { Mailbox } from '../../base/mailbox.ts';
import type { NewEvent } from '../journal.ts';
import type { EngineParts } from '../parts.ts';
import type { NamespacePins, SandboxRow, SandboxSpec, SandboxState } from './state.ts';

/** One sandbox: its state, and the mailbox in which its namespaces are made and removed. */
export class SandboxActor {
  readonly spec: SandboxSpec;
  readonly mailbox = new Mailbox();
  readonly #parts: EngineParts;
  #row: SandboxRow;
  #isGone = false;

  constructor(row: SandboxRow, parts: EngineParts) {
    this.spec = row.spec;
    this.#row = row;
    this.#parts = parts;
  }

  get id(): string {
    return this.spec.id;
  }

  get row(): SandboxRow {
    return this.#row;
  }

  get state(): SandboxState {
    return this.#row.state;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** The namespaces that containers join. Empty unless it is ready. */
  get pins(): NamespacePins {
    return this.state.phase === 'ready' ? this.state.pins : {};
  }

  commit(state: SandboxState, events: readonly Pick<NewEvent, 'type' | 'body'>[] = []): void {
    const row = { ...this.#row, state };
    this.#parts.journal.record(
      { sandboxes: [row] },
      events.map((event) => ({ ...event, sandbox: this.id })),
    );
    this.#row = row;
  }

  commitRemoval(): void {
    this.#parts.journal.record({ removed: { sandboxes: [this.id] } }, [
      { type: 'sandbox.removed', sandbox: this.id, body: { name: this.spec.name } },
    ]);
    this.#isGone = true;
  }
}
