import { Mailbox } from '../../base/mailbox.ts';
import type { NewEvent } from '../journal.ts';
import type { EngineParts } from '../parts.ts';
import { StepRunner } from '../step-runner.ts';
import type { Progress } from '../step-runner.ts';
import type { Step } from '../steps.ts';
import type { NamespacePins, SandboxRow, SandboxSpec, SandboxState } from './state.ts';

/** The making of what a sandbox has on the host, while it is going on. */
export interface Making {
  readonly abort: AbortController;
  /** Rejects when it failed; then nothing of it is left, or it is owed. */
  readonly finished: Promise<void>;
}

/** One sandbox: its state, and the mailbox in which every decision about it is taken. */
export class SandboxActor {
  readonly mailbox = new Mailbox();
  readonly #parts: EngineParts;
  readonly #steps: StepRunner;
  readonly #recovery: PromiseWithResolvers<void> | undefined;
  #row: SandboxRow;
  #isGone = false;

  making: Making | undefined;
  /** The stop and the removal that are going on; whoever asks again joins them. */
  stopping: Promise<void> | undefined;
  removal: Promise<void> | undefined;
  /** Creations of containers that are on their way into it. */
  readonly arrivals = new Set<Promise<unknown>>();

  /** @param origin `saved`: an earlier daemon made it, so recovery has to see to it before a verb may */
  constructor(row: SandboxRow, parts: EngineParts, origin: 'new' | 'saved') {
    this.#row = row;
    this.#parts = parts;
    this.#steps = new StepRunner(parts);
    this.#recovery = origin === 'saved' ? Promise.withResolvers() : undefined;
  }

  get id(): string {
    return this.spec.id;
  }

  get spec(): SandboxSpec {
    return this.#row.spec;
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

  /** Resolves when recovery knows what became of it; at once for one that this daemon made. */
  async untilRecovered(): Promise<void> {
    await this.#recovery?.promise;
  }

  endRecovery(): void {
    this.#recovery?.resolve();
  }

  /** The oldest step that has not ended. */
  get progress(): Progress | undefined {
    return this.#steps.progress;
  }

  step<T>(step: Step, work: () => T | Promise<T>): Promise<T> {
    return this.#steps.run(step, work);
  }

  /** Saved, then assigned, then published, in one turn of the event loop. */
  commit(step: Step, state: SandboxState, events: readonly Pick<NewEvent, 'type' | 'body'>[] = []): void {
    this.#commit(step, { ...this.#row, state }, events);
  }

  /** Likewise what its door keeps with it, which is the only part of the spec that changes. */
  commitData(apiData: unknown, body: NewEvent['body']): void {
    const { spec } = this.#row;
    this.#commit('sandbox.update', { ...this.#row, spec: { ...spec, apiData } }, [{ type: 'sandbox.updated', body }]);
  }

  #commit(step: Step, row: SandboxRow, events: readonly Pick<NewEvent, 'type' | 'body'>[]): void {
    this.#steps.runSync(step, () =>
      this.#parts.journal.record(
        { sandboxes: [row] },
        events.map((event) => ({ ...event, sandbox: this.id })),
      ),
    );
    this.#row = row;
  }

  commitRemoval(): void {
    const body = { name: this.spec.name };
    this.#steps.runSync('sandbox.remove', () =>
      this.#parts.journal.record({ removed: { sandboxes: [this.id] } }, [
        { type: 'sandbox.removed', sandbox: this.id, body },
      ]),
    );
    this.#isGone = true;
  }
}

/** It was made for one container, and goes with it. */
export function isPrivate({ spec }: SandboxActor): boolean {
  return spec.owner !== undefined;
}
