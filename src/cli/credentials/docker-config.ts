import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BerthError, isMissing, messageOf } from '../../base/errors.ts';
import { DOCKER_HUB } from '../../base/image-name.ts';
import type { RegistryAuth } from '../../client/index.ts';

/** What Docker's configuration knows of registries. */
export interface DockerConfig {
  readonly auths: Readonly<Record<string, StoredAuth>>;
  /** Registry → the helper that knows its credentials. */
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | undefined;
}

/** Docker writes `auth`; other programs write what is in it. */
interface StoredAuth {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

const HUB_KEY = 'https://index.docker.io/v1/';

/**
 * The file `config.json` of DOCKER_CONFIG, or of `~/.docker`. Undefined when there is none.
 * @throws BerthError InvalidArgument when it cannot be read
 * @see docs.docker.com/reference/cli/docker/login, Credential stores
 */
export function readDockerConfig(env: NodeJS.ProcessEnv): DockerConfig | undefined {
  const path = join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker'), 'config.json');
  try {
    const { auths, credHelpers, credsStore } = tableIn(JSON.parse(readFileSync(path, 'utf8')));
    return {
      auths: Object.fromEntries(Object.entries(tableIn(auths)).map(([key, value]) => [key, tableIn(value)])),
      credHelpers: Object.fromEntries(Object.entries(tableIn(credHelpers)).map(([key, value]) => [key, textIn(value)])),
      credsStore: textIn(credsStore) === '' ? undefined : textIn(credsStore),
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    // Not with the parser's words: it quotes what it has read.
    const reason = error instanceof SyntaxError ? 'it is no JSON' : messageOf(error);
    throw new BerthError('InvalidArgument', `Cannot read ${path}: ${reason}`);
  }
}

/** What the registry's credentials are kept under. */
export function keyOf(registry: string): string {
  return registry === DOCKER_HUB ? HUB_KEY : registry;
}

/** The credentials that stand in the file itself. Keys may be URLs; only their host counts. */
export function storedAuth({ auths }: DockerConfig, registry: string): RegistryAuth | undefined {
  const wanted = hostOf(keyOf(registry));
  const exact = auths[keyOf(registry)];
  const found = exact ?? Object.entries(auths).find(([key]) => hostOf(key) === wanted)?.[1];
  return found === undefined ? undefined : authIn(found);
}

function authIn(stored: StoredAuth): RegistryAuth | undefined {
  const identity = textIn(stored.identitytoken);
  if (identity !== '') return { kind: 'identity-token', token: identity };
  const registry = textIn(stored.registrytoken);
  if (registry !== '') return { kind: 'registry-token', token: registry };
  const packed = Buffer.from(textIn(stored.auth), 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = packed.indexOf(':');
  const username = colon < 0 ? textIn(stored.username) : packed.slice(0, colon);
  const password = colon < 0 ? textIn(stored.password) : packed.slice(colon + 1);
  return username === '' ? undefined : { kind: 'basic', username, password };
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*/s, '');
}

function tableIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
