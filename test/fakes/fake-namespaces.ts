import type { InterfaceUsage } from '../../src/base/usage.ts';
import type { Namespaces } from '../../src/engine/ports.ts';
import type { NamespacePins, SandboxSpec } from '../../src/engine/sandbox/state.ts';
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

  plan({ id }: SandboxSpec, kinds: readonly (keyof NamespacePins)[]): NamespacePins {
    return Object.fromEntries(kinds.map((kind) => [kind, `${id}/${kind}`]));
  }

  create(_sandbox: SandboxSpec, pins: NamespacePins): Promise<void> {
    return this.#slow(() => {
      for (const pin of Object.values(pins)) this.#host.pins.add(pin);
    });
  }

  writeFiles({ id }: SandboxSpec): Promise<void> {
    return this.#slow(() => void this.#host.pins.add(`${id}/files`));
  }

  areWhole(pins: NamespacePins): boolean {
    return Object.values(pins).every((pin) => this.#host.pins.has(pin));
  }

  networkUsages(pins: readonly string[]): Promise<ReadonlyMap<string, readonly InterfaceUsage[]>> {
    return this.#slow(() => new Map(pins.filter((pin) => this.#host.pins.has(pin)).map((pin) => [pin, []])));
  }

  remove(sandboxId: string): Promise<void> {
    return this.removeUnowned(sandboxId);
  }

  removeUnowned(sandboxId: string): Promise<void> {
    return this.#slow(() => {
      for (const pin of this.#host.pins) if (pin.startsWith(`${sandboxId}/`)) this.#host.pins.delete(pin);
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
