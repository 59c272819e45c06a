import type { DnsConfig, PodIdentity, PortMapping } from '../sandbox/state.ts';

/** What a sandbox wants of its network. */
export interface NetworkOrder {
  readonly sandboxId: string;
  /** The file that its network namespace is pinned to. */
  readonly netns: string;
  readonly pod: PodIdentity | undefined;
  /** Those with a host port; they are claimed before anything else is done. */
  readonly ports: readonly PortMapping[];
  readonly dns: DnsConfig | undefined;
  /** Networks read orders of theirs in them: `kubernetes.io/ingress-bandwidth`. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroupParent: string | undefined;
}

/** What a sandbox has got of its network. */
export interface NetworkAttachment {
  /** IP addresses without prefix, the sandbox's primary one first. */
  readonly addresses: readonly string[];
}

/** Connects sandboxes with networks, by their ids. Everything that may hang has a deadline in here. */
export interface Network {
  /** Why no sandbox can be attached now; undefined when one can. */
  readonly trouble: string | undefined;
  /**
   * What a failed one leaves is removed by `detach`.
   * @throws BerthError AlreadyExists when a host port belongs to another sandbox or to a process of the host, which the
   *   message names; Unavailable while there is `trouble`, and when a plugin says "try again later"
   */
  attach(order: NetworkOrder, signal: AbortSignal): Promise<NetworkAttachment>;
  /**
   * Takes away what was made, from what was written down when it was made; the host ports go whatever else fails.
   * Detaching what is not attached succeeds.
   * @param netns undefined when the namespace is gone: what is held outside of it is released all the same
   */
  detach(sandboxId: string, netns: string | undefined): Promise<void>;
  /** The ids of sandboxes that something is held for. */
  find(): Promise<readonly string[]>;
  /** Takes over the host ports of sandboxes that an earlier daemon attached, and sees to it that they are served. */
  restore(sandboxes: readonly RestoredNetwork[]): Promise<void>;
}

/** A sandbox as the network finds it again. */
export interface RestoredNetwork extends NetworkAttachment {
  readonly sandboxId: string;
  readonly ports: readonly PortMapping[];
}
