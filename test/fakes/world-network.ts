import { BerthError } from '../../src/base/errors.ts';
import type { Network, NetworkAttachment, NetworkOrder } from '../../src/engine/ports.ts';
import type { FakeHost } from './fake-host.ts';
import type { Power } from './power.ts';

/** The port Network of a world in memory: an attachment is an entry in a map, which outlives boots as the address of a real one does. */
export class WorldNetwork implements Network {
  readonly trouble = undefined;
  readonly #host: FakeHost;
  readonly #power: Power;

  constructor(host: FakeHost, power: Power) {
    this.#host = host;
    this.#power = power;
  }

  attach({ sandboxId }: NetworkOrder): Promise<NetworkAttachment> {
    return this.#slow(() => {
      this.#host.attachments.set(sandboxId, '10.0.0.2'); // a failed one may have got half of it
      if (this.#host.attachTrouble !== undefined) throw new BerthError('Internal', this.#host.attachTrouble);
      return { addresses: ['10.0.0.2'] };
    });
  }

  detach(sandboxId: string): Promise<void> {
    return this.#slow(() => {
      if (this.#host.detachTrouble !== undefined) throw new BerthError('Internal', this.#host.detachTrouble);
      this.#host.attachments.delete(sandboxId);
    });
  }

  find(): Promise<readonly string[]> {
    return this.#slow(() => [...this.#host.attachments.keys()]);
  }

  restore(): Promise<void> {
    return this.#slow(() => undefined);
  }

  #slow<T>(work: () => T): Promise<T> {
    return this.#power.live(async () => {
      await this.#host.clock.sleep(this.#host.latencyMs());
      this.#power.need();
      return work();
    });
  }
}
