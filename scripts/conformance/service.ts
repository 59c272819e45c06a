import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleepFor } from 'node:timers/promises';

const READY_POLL_MS = 50;
const LONGEST_START_MS = 60_000;
const LONGEST_STOP_MS = 60_000;

/** A daemon as a child process, whose output goes to a file. */
export class Service implements AsyncDisposable {
  readonly log: string;
  readonly #process: ChildProcess;

  constructor(command: readonly [string, ...string[]], log: string) {
    const [program, ...args] = command;
    const file = openSync(log, 'a');
    this.log = log;
    this.#process = spawn(program, args, { stdio: ['ignore', file, file] });
    closeSync(file);
  }

  /** @throws Error with the daemon's last words when it has ended, or is not ready in time */
  async untilReady(isReady: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + LONGEST_START_MS;
    while (!(await isReady())) {
      if (!this.#isAlive || Date.now() > end) {
        const fact = this.#isAlive ? 'it takes too long' : 'it has ended';
        await this.#kill();
        throw new Error(`Cannot start ${this.#process.spawnfile}: ${fact}
${this.lastWords()}`);
      }
      await sleepFor(READY_POLL_MS);
    }
  }

  lastWords(): string {
    return readFileSync(this.log, 'utf8').split('\n').slice(-20).join('\n');
  }

  /** @throws Error when the daemon does not end well on SIGTERM */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isAlive) throw new Error(`${this.#process.spawnfile} has ended before its time\n${this.lastWords()}`);
    const gone = once(this.#process, 'exit', { signal: AbortSignal.timeout(LONGEST_STOP_MS) });
    this.#process.kill('SIGTERM');
    await gone;
    if (this.#process.exitCode === 0) return;
    throw new Error(`${this.#process.spawnfile} ends with ${this.#process.exitCode ?? this.#process.signalCode}`);
  }

  async #kill(): Promise<void> {
    if (!this.#isAlive) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  get #isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}

/** Whether somebody listens there. */
export async function answers(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = connect(socket);
  connection.once('connect', () => resolve(true));
  connection.once('error', () => resolve(false));
  try {
    return await promise;
  } finally {
    connection.destroy();
  }
}
