import { BerthError, errnoOf, isMissing } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { O, close, open } from '../linux/abi.ts';
import { isRunning } from '../linux/process.ts';

/**
 * A PID namespace that a run is going to join, held by a descriptor. The path `/proc/<pid>/ns/pid` would mean another
 * one as soon as the number is used again; the runtime gets the path of this descriptor, which cannot.
 */
export class HeldPidNamespace implements Disposable {
  readonly #identity: ProcessIdentity;
  readonly #bootId: string;
  #fd: number | undefined;

  private constructor(identity: ProcessIdentity, bootId: string, fd: number) {
    this.#identity = identity;
    this.#bootId = bootId;
    this.#fd = fd;
  }

  /**
   * The process is looked at after the open: before it, that proves nothing.
   * @throws BerthError WrongState when the process has ended
   */
  static of(identity: ProcessIdentity, bootId: string): HeldPidNamespace {
    if (!isRunning(identity, bootId)) throw ended(identity);
    const held = new HeldPidNamespace(identity, bootId, openNamespace(identity));
    if (held.isAlive) return held;
    held[Symbol.dispose]();
    throw ended(identity);
  }

  /** For whoever may look at the daemon's own descriptors, as long as this is held. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#fd ?? 'closed'}`;
  }

  /** A namespace whose first process has ended takes no others. */
  get isAlive(): boolean {
    return isRunning(this.#identity, this.#bootId);
  }

  /** @throws BerthError WrongState when the process has ended */
  need(): void {
    if (!this.isAlive) throw ended(this.#identity);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}

function openNamespace(identity: ProcessIdentity): number {
  try {
    return open(`/proc/${identity.pid}/ns/pid`, O.RDONLY);
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ESRCH') throw ended(identity);
    throw error;
  }
}

function ended({ pid }: ProcessIdentity): BerthError {
  return new BerthError('WrongState', `Cannot join the PID namespace of process ${pid}: it has ended`);
}
