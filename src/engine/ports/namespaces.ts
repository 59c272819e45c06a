import type { InterfaceUsage } from '../../base/usage.ts';
import type { NamespacePins, SandboxSpec } from '../sandbox/state.ts';

/** Makes and removes what a sandbox owns on the host beside its network: namespaces, shared memory, files. */
export interface Namespaces {
  /** Where they will be, so that it can be saved before they are made. */
  plan(sandbox: SandboxSpec, kinds: readonly (keyof NamespacePins)[]): NamespacePins;
  /** Makes them, with the sandbox's hostname and sysctls in them and its loopback device up. */
  create(sandbox: SandboxSpec, pins: NamespacePins): Promise<void>;
  /** Writes the /etc/hostname, /etc/hosts and /etc/resolv.conf of its containers. Doing it twice is as good as once. */
  writeFiles(sandbox: SandboxSpec, addresses: readonly string[]): Promise<void>;
  /** Are they still there? A pin that somebody took away would be the host's namespace to a container. */
  areWhole(pins: NamespacePins): boolean;
  /**
   * What has passed the interfaces of network namespaces, without the loopback, by the pin. One that is gone is left out.
   */
  networkUsages(pins: readonly string[]): Promise<ReadonlyMap<string, readonly InterfaceUsage[]>>;
  /** Removes them, and its files. Removing what is not there succeeds. */
  remove(sandboxId: string, pins: NamespacePins): Promise<void>;
  /** Removes all that there may be of a sandbox of which nothing else is known. */
  removeUnowned(sandboxId: string): Promise<void>;
  /** The ids of sandboxes that something is there for. */
  find(): Promise<readonly string[]>;
}
