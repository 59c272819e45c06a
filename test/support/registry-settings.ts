import type { RegistryEntry, RegistrySettings } from '../../src/images/index.ts';

/** The daemon's defaults, but nothing of the host's own, and with waits that a test can sit through. */
export const TEST_REGISTRIES: RegistrySettings = {
  configPaths: [],
  registries: {},
  layersPerPull: 3,
  layersAtOnce: 8,
  stallMs: 60_000,
  attempts: 4,
  firstWaitMs: 20,
  longestWaitMs: 5_000,
  env: {},
};

/** A table of the configuration, with what a test wants to be said in it. */
export function registryEntry(entry: Partial<RegistryEntry> = {}): RegistryEntry {
  return {
    mirrors: [],
    mirrorsOnly: false,
    plainHttp: undefined,
    skipVerify: false,
    ca: [],
    clientCert: undefined,
    clientKey: undefined,
    ...entry,
  };
}
