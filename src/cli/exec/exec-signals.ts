import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ExecSession } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';

const TWICE_WITHIN_MS = 2_000;
const KILL_WITHIN_MS = 1_000;

/** Passes signals on to a command; SIGINT twice in short time kills it. */
export class ExecSignals {
  readonly #cli: Cli;
  readonly #session: ExecSession;
  #lastInterrupt = Number.NEGATIVE_INFINITY;
  #hasCut = false;

  constructor(cli: Cli, session: ExecSession) {
    this.#cli = cli;
    this.#session = session;
  }

  /** The connection was closed, which kills the command, because it did not end otherwise. */
  get hasCut(): boolean {
    return this.#hasCut;
  }

  onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
    const now = performance.now();
    const isSecond = signal === 'SIGINT' && now - this.#lastInterrupt < TWICE_WITHIN_MS;
    if (signal === 'SIGINT') this.#lastInterrupt = now;
    if (isSecond) void this.#kill();
    else void this.#session.signal(signal);
  }

  /** A daemon that does not get to it ends the command when the connection closes. */
  async #kill(): Promise<void> {
    await tell(this.#cli, 'SIGINT again: killing the command');
    void this.#session.signal('SIGKILL');
    await sleepFor(KILL_WITHIN_MS, undefined, { ref: false });
    this.#hasCut = true;
    this.#session[Symbol.dispose]();
  }
}
