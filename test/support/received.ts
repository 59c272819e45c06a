import { createHash } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';

const KEPT_BYTES = 1 << 20;

/** What came on one stream: the first of it as text, all of it as a sum. */
export class Received {
  bytes = 0;
  readonly ended: Promise<void>;
  readonly #hash = createHash('sha256');
  readonly #kept: Buffer[] = [];
  readonly #end = Promise.withResolvers<void>();

  constructor() {
    this.ended = this.#end.promise;
  }

  get text(): string {
    return Buffer.concat(this.#kept).toString();
  }

  get sum(): string {
    return this.#hash.copy().digest('hex');
  }

  add(data: Buffer): void {
    this.bytes += data.length;
    this.#hash.update(data);
    if (this.bytes <= KEPT_BYTES) this.#kept.push(data);
  }

  end(): void {
    this.#end.resolve();
  }

  /** Waits for the text to match. */
  async matches(pattern: RegExp): Promise<void> {
    for (let tries = 0; !pattern.test(this.text); tries += 1) {
      if (tries > 1_000) throw new Error(`${JSON.stringify(this.text)} does not match ${String(pattern)}`);
      await sleepFor(10);
    }
  }
}
