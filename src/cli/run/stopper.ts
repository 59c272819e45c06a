import { errorCodeOf, messageOf } from '../../base/errors.ts';
import type { ContainerAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { formatDuration } from '../../base/units.ts';
import { describeStop } from '../stop-words.ts';

/** What the signals to a foreground run do: the first one stops the container, the second kills it, the third leaves. */
export class Stopper {
  readonly #cli: Cli;
  readonly #made: Pick<ContainerAnswer, 'id' | 'name'>;
  #asked = 0;
  #startSettled: Promise<unknown> = Promise.resolve();

  constructor(cli: Cli, made: Pick<ContainerAnswer, 'id' | 'name'>) {
    this.#cli = cli;
    this.#made = made;
  }

  get hasAsked(): boolean {
    return this.#asked > 0;
  }

  startSettles(starting: Promise<unknown>): void {
    this.#startSettled = starting.catch(() => undefined);
  }

  onSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
    this.#asked += 1;
    if (this.#asked === 1) void this.#try(() => this.#stop(signal));
    else if (this.#asked === 2) void this.#try(() => this.#kill(signal));
    else void this.#leave();
  }

  /** As a broken pipe would end a program: what it prints from here on is for nobody. */
  onNoReader(): void {
    const reason = 'nobody reads its output any more';
    void this.#try(async () => void (await this.#cli.client.containers.stop(this.#made.id, { reason })));
  }

  async #stop(signal: string): Promise<void> {
    const { containers } = this.#cli.client;
    const { id, name } = this.#made;
    const { row } = await containers.inspect(id);
    const grace = formatDuration(row.spec.stopGraceMs);
    await tell(this.#cli, `${signal}: stopping ${name}, it has ${grace} for that; once more kills it`);
    const body = { reason: `${signal} to berth run` };
    let answer = await containers.stop(id, body);
    if (!answer.changed) {
      await this.#startSettled; // a start that was under way and came in later than the stop
      answer = await containers.stop(id, body);
    }
    const words = answer.changed ? describeStop(answer) : undefined;
    if (words !== undefined) await tell(this.#cli, `${name}: ${words}`);
  }

  async #kill(signal: string): Promise<void> {
    const { id, name } = this.#made;
    await tell(this.#cli, `${signal} again: killing ${name}`);
    await this.#cli.client.containers.kill(id, { signal: 'SIGKILL', reason: `second ${signal} to berth run` });
  }

  async #leave(): Promise<void> {
    await tell(this.#cli, `Not waiting any more: see what becomes of it with "berth why ${this.#made.name}"`);
    process.exit(130);
  }

  /** A run that is over needs no stop. */
  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!['WrongState', 'NotFound'].includes(errorCodeOf(error))) await tell(this.#cli, messageOf(error));
    }
  }
}
