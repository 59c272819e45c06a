/** What the configuration says of one registry, or of a server that mirrors others. */
export interface RegistryEntry {
  /** Asked before the registry, in this order: URLs or hosts. */
  readonly mirrors: readonly string[];
  /** The registry itself is never asked. */
  readonly mirrorsOnly: boolean;
  /** Undefined: on loopback only. */
  readonly plainHttp: boolean | undefined;
  readonly skipVerify: boolean;
  /** PEM files. */
  readonly ca: readonly string[];
  readonly clientCert: string | undefined;
  readonly clientKey: string | undefined;
}

export interface RegistrySettings {
  /** Folders with one folder for each registry in it, as containerd has them; the first that knows the registry counts. */
  readonly configPaths: readonly string[];
  /** By `host` or `host:port`, as in the names of images. They go before the folders. */
  readonly registries: Readonly<Record<string, RegistryEntry>>;
  /** Layers that one pull downloads at a time, and all pulls together. */
  readonly layersPerPull: number;
  readonly layersAtOnce: number;
  /** A server that is silent for so long stands still. */
  readonly stallMs: number;
  /** How often a server is asked that is busy, broken or cuts the connection. */
  readonly attempts: number;
  /** The wait before the second attempt; it doubles from then on. */
  readonly firstWaitMs: number;
  /** Nobody waits longer, whatever a server asks for. */
  readonly longestWaitMs: number;
  /** Where proxies and certificates are named: that of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
}
