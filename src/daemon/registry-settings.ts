import { BerthError } from '../base/errors.ts';
import type { RegistryEntry, RegistrySettings } from '../images/index.ts';
import type { Config } from './config.ts';

/** The wait before a registry is asked for the second time. */
const FIRST_WAIT_MS = 500;

/** What the configuration and the environment say of registries. */
export function registrySettings({ pull, registries }: Pick<Config, 'pull' | 'registries'>): RegistrySettings {
  const entries = Object.entries(registries).map(([host, entry]) => [checkedHost(host), entryOf(entry)] as const);
  return {
    configPaths: pull.config_path,
    registries: Object.fromEntries(entries),
    layersPerPull: pull.layers,
    layersAtOnce: pull.layers_total,
    stallMs: pull.stall,
    attempts: pull.attempts,
    firstWaitMs: Math.min(FIRST_WAIT_MS, pull.longest_wait),
    longestWaitMs: pull.longest_wait,
    env: process.env,
  };
}

function entryOf(entry: Config['registries'][string]): RegistryEntry {
  return {
    mirrors: entry.mirrors,
    mirrorsOnly: entry.mirrors_only,
    plainHttp: entry.plain_http,
    skipVerify: entry.skip_verify,
    ca: entry.ca,
    clientCert: entry.client_cert,
    clientKey: entry.client_key,
  };
}

/** @throws BerthError InvalidArgument */
function checkedHost(host: string): string {
  if (!host.includes('/')) return host;
  const message = `Cannot read configuration: "registries.${host}" must be a host, or a host and a port, without a path`;
  throw new BerthError('InvalidArgument', message, { field: `registries.${host}` });
}
