import type { Namespaces } from '../../src/engine/ports.ts';
import type { NamespacePins } from '../../src/engine/sandbox/state.ts';
import type { FakeHost } from './fake-host.ts';
import type { Power } from './power.ts';

/** The port Namespaces: a pin is a name in a set. */
export class FakeNamespaces implements Namespaces {
  readonly #host: FakeHost;
  readonly #power: Power;

  constructor(host: FakeHost, power: Power) {
    this.#host = host;
    this.#power = power;
  }

  plan(sandboxId: string, kinds: readonly (keyof NamespacePins)[]): NamespacePins {
    return Object.fromEntries(kinds.map((kind) => [kind, `${sandboxId}/${kind}`]));
  }

  create(pins: NamespacePins): Promise<void> {
    return this.#slow(() => {
      for (const pin of Object.values(pins)) this.#host.pins.add(pin);
    });
  }

  remove(pins: NamespacePins): Promise<void> {
    return this.#slow(() => {
      for (const pin of Object.values(pins)) this.#host.pins.delete(pin);
    });
  }

  find(): Promise<readonly string[]> {
    return this.#slow(() => [...new Set([...this.#host.pins].map((pin) => pin.split('/')[0] ?? ''))]);
  }

  #slow<T>(work: () => T): Promise<T> {
    return this.#power.live(async () => {
      await this.#host.clock.sleep(this.#host.latencyMs());
      this.#power.need();
      return work();
    });
  }
}
