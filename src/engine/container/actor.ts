import { abortError } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import { Mailbox } from '../../base/mailbox.ts';
import type { NewEvent } from '../journal.ts';
import type { EngineParts } from '../parts.ts';
import type { RunRef } from '../ports.ts';
import type { SandboxActor } from '../sandbox/actor.ts';
import { StepRunner } from '../step-runner.ts';
import type { Progress } from '../step-runner.ts';
import type { Step } from '../steps.ts';
import type { ContainerSpec, Resources } from './spec.ts';
import type { ContainerRow, ContainerState } from './state.ts';
import type { StopOperation } from './stop-operation.ts';

interface Waiter {
  readonly accepts: (state: ContainerState) => boolean;
  readonly resolve: (state: ContainerState) => void;
  readonly reject: (error: Error) => void;
}

/** A client of the container's standard streams, before there are any. */
export interface WaitingClient {
  connect(run: RunRef): Promise<void>;
  end(): void;
}

/** What a commit changes. */
export interface Commit {
  readonly state: ContainerState;
  readonly runs?: number;
  /** Limits, which are the only part of the spec that changes. */
  readonly resources?: Resources;
  readonly events?: readonly (Pick<NewEvent, 'type' | 'body'> & { readonly run?: number })[];
}

/**
 * One container: its state, and the mailbox in which every decision about it is taken. Work that takes long runs
 * outside the mailbox and comes back to it to commit what it found.
 */
export class ContainerActor {
  readonly sandbox: SandboxActor;
  readonly mailbox = new Mailbox();
  /** Updates, which take long and wait for nobody but each other. */
  readonly updates = new Mailbox();
  readonly #parts: EngineParts;
  #row: ContainerRow;
  #isGone = false;
  readonly #waiters = new Set<Waiter>();
  readonly #steps: StepRunner;

  readonly #recovery: PromiseWithResolvers<void> | undefined;
  /** Its recovery takes long; nothing is known to be wrong with it. */
  isQuarantined = false;
  /** Ends the start in progress; only a stop does that. */
  startAbort: AbortController | undefined;
  stop: StopOperation | undefined;
  /** Whoever asks for its removal again waits for this. */
  removal: Promise<void> | undefined;
  /** The cleaning of the last run, while it is going on. It never rejects. */
  cleaning: Promise<void> | undefined;
  /** They are connected to the next run, before its program runs. */
  readonly attachments = new Set<WaitingClient>();
  /** Aborts when the current run has exited. */
  runOver = new AbortController();

  /** @param origin `saved`: an earlier daemon made it, so recovery has to see to it before a verb may */
  constructor(row: ContainerRow, sandbox: SandboxActor, parts: EngineParts, origin: 'new' | 'saved') {
    this.#recovery = origin === 'saved' ? Promise.withResolvers() : undefined;
    this.#row = row;
    this.sandbox = sandbox;
    this.#parts = parts;
    this.#steps = new StepRunner(parts);
  }

  get id(): string {
    return this.spec.id;
  }

  get spec(): ContainerSpec {
    return this.#row.spec;
  }

  get row(): ContainerRow {
    return this.#row;
  }

  get state(): ContainerState {
    return this.#row.state;
  }

  /** It was removed: nothing can be done with it any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** The oldest step that has not ended. */
  get progress(): Progress | undefined {
    return this.#steps.progress;
  }

  /** Resolves when recovery knows what became of it; at once for one that this daemon made. */
  async untilRecovered(): Promise<void> {
    await this.#recovery?.promise;
  }

  endRecovery(): void {
    this.isQuarantined = false;
    this.#recovery?.resolve();
  }

  run(number: number): RunRef {
    return { containerId: this.id, number };
  }

  /** Saved, then assigned, then published, in one turn of the event loop. */
  commit(step: Step, { state, runs, resources, events = [] }: Commit): void {
    const { spec } = this.#row;
    const row: ContainerRow = {
      ...this.#row,
      spec: resources === undefined ? spec : { ...spec, resources },
      state,
      runs: runs ?? this.#row.runs,
    };
    this.stepSync(step, () =>
      this.#parts.journal.record(
        { containers: [row] },
        events.map((event): NewEvent => ({ ...event, container: this.id, sandbox: this.spec.sandboxId })),
      ),
    );
    this.#row = row;
    this.#tell();
  }

  /** Like `commit`, for the last one: the row goes, and everybody who waits hears of it. */
  commitRemoval(step: Step, event: Pick<NewEvent, 'type' | 'body'>): void {
    this.stepSync(step, () =>
      this.#parts.journal.record({ removed: { containers: [this.id] } }, [
        { ...event, container: this.id, sandbox: this.spec.sandboxId },
      ]),
    );
    this.#isGone = true;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(goneError(this.spec.name));
  }

  /** Runs one step of long work: named for `why`, with a failpoint on either side. */
  step<T>(step: Step, work: () => T | Promise<T>): Promise<T> {
    return this.#steps.run(step, work);
  }

  /** Like `step`, for work that must not give up its turn of the event loop. */
  stepSync<T>(step: Step, work: () => T): T {
    return this.#steps.runSync(step, work);
  }

  /**
   * Resolves with the first state that is accepted, which may be the present one.
   * @throws BerthError NotFound when the container is removed first; Cancelled when `signal` aborts
   */
  async until(accepts: (state: ContainerState) => boolean, signal?: AbortSignal): Promise<ContainerState> {
    if (this.#isGone) throw goneError(this.spec.name);
    if (accepts(this.state)) return this.state;
    const { promise, resolve, reject } = Promise.withResolvers<ContainerState>();
    const waiter: Waiter = { accepts, resolve, reject };
    const onAbort = (): void => reject(abortError(signal as AbortSignal));
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    try {
      return await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #tell(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.accepts(this.state)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(this.state);
    }
  }
}

function goneError(name: string): BerthError {
  return new BerthError('NotFound', `Cannot find container "${name}": it was removed`);
}
