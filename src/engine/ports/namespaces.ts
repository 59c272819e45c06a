import type { NamespacePins } from '../sandbox/state.ts';

/** Makes and removes the namespaces that a sandbox owns. */
export interface Namespaces {
  /** Where they will be, so that it can be saved before they are made. */
  plan(sandboxId: string, kinds: readonly (keyof NamespacePins)[]): NamespacePins;
  create(pins: NamespacePins, hostname: string): Promise<void>;
  /** Removing what is not there succeeds. */
  remove(pins: NamespacePins): Promise<void>;
  /** The ids of sandboxes that something is pinned for. */
  find(): Promise<readonly string[]>;
}
