import { Deadline } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import { Mailbox } from '../../base/mailbox.ts';
import { signalNumber } from '../../base/signals.ts';
import { detach } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { Guard } from '../ports.ts';
import type { ContainerActor } from './actor.ts';
import type { LiveRun, StopState } from './state.ts';

/**
 * A stop that is being carried out: the memory beside the saved `StopState`. It holds the moving deadline and the
 * guard that keeps it when the daemon cannot.
 */
export class StopOperation {
  readonly run: number;
  /** When SIGKILL follows; `Infinity`: never. */
  readonly deadline: Deadline;
  /** The guard is not exchanged while the window is open, so both are done in turn. */
  readonly guardWork = new Mailbox();
  #guard: Guard | undefined;
  readonly #actor: ContainerActor;
  readonly #parts: EngineParts;
  readonly #live: LiveRun;

  constructor(actor: ContainerActor, parts: EngineParts, live: LiveRun, stop: StopState) {
    this.#actor = actor;
    this.#parts = parts;
    this.#live = live;
    this.run = live.number;
    this.deadline = new Deadline(parts.clock, stop.killAt ?? Infinity);
  }

  get guard(): Guard | undefined {
    return this.#guard;
  }

  /** A shorter deadline takes effect for the waiting and for the guard. */
  bringForward(killAt: number): void {
    if (this.deadline.bringForward(killAt)) detach(this.#parts.log, 'guard', this.arm());
  }

  /**
   * Arms a guard for the deadline of now; it is in place before an earlier one is let go. A deadline that has come
   * needs none: the kill is about to be sent. Without a guard the stop still goes on.
   */
  arm(): Promise<void> {
    return this.guardWork.run(async () => {
      const { at } = this.deadline;
      if (this.#actor.runOver.signal.aborted || this.deadline.isReached) return;
      const { init } = this.#live.processes;
      const order = {
        init,
        killAt: at === Infinity ? undefined : at,
        signal: signalNumber(this.#stopSignal()),
      };
      const runtime = runtimeOf(this.#parts, this.#actor.spec);
      try {
        const before = this.#guard;
        this.#guard = await this.#actor.step('stop.guard', () => runtime.armGuard(this.#actor.run(this.run), order));
        await before?.cancel();
      } catch (error) {
        this.#parts.log.error('stop has no guard: it depends on this daemon', {
          container: this.#actor.id,
          error: messageOf(error),
        });
      }
    });
  }

  /** Resolves when nothing of the guard is left. */
  release(): Promise<void> {
    return this.guardWork.run(async () => {
      await this.#guard?.cancel();
      this.#guard = undefined;
    });
  }

  #stopSignal(): StopState['signal'] {
    const { state } = this.#actor;
    return ('run' in state ? state.run.stop?.signal : undefined) ?? this.#actor.spec.stopSignal;
  }
}
