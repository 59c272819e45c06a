import { BerthError } from '../../../base/errors.ts';
import type { RegistryAuth } from '../../../engine/ports.ts';
import type { AuthConfig } from '../../../gen/cri/api.ts';
import { invalid } from '../errors.ts';

const VERB = 'pull image';
/** Names of one registry. */
const DOCKER_HUB: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * How to prove to a registry who asks; undefined: not at all. What was given for another registry than the image's is
 * not sent to this one.
 * @param image the name as it was asked for
 * @throws BerthError InvalidArgument when `auth` cannot be read; its text is in no message
 */
export function registryAuth(auth: AuthConfig | undefined, image: string): RegistryAuth | undefined {
  if (auth === undefined) return undefined;
  if (auth.serverAddress !== '' && !isSameRegistry(hostOf(auth.serverAddress), registryOf(image))) return undefined;
  if (auth.username !== '') return { kind: 'basic', username: auth.username, password: auth.password };
  if (auth.identityToken !== '') return { kind: 'identity-token', token: auth.identityToken };
  if (auth.registryToken !== '') return { kind: 'registry-token', token: auth.registryToken };
  return auth.auth === '' ? undefined : basicAuth(auth.auth);
}

/** base64 of `user:password`, as in the files of `docker login`; some have zero bytes at their end. */
function basicAuth(encoded: string): RegistryAuth {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(encoded)) throw invalid(VERB, 'auth.auth', 'is no base64');
  const text = Buffer.from(encoded, 'base64').toString().replace(/\0+$/, '');
  const end = text.indexOf(':');
  if (end < 1) throw invalid(VERB, 'auth.auth', 'is not "user:password" in base64');
  return { kind: 'basic', username: text.slice(0, end), password: text.slice(end + 1) };
}

/** `https://index.docker.io/v1/`, `registry.example:5000` */
function hostOf(address: string): string {
  try {
    return new URL(address.includes('://') ? address : `https://${address}`).host;
  } catch (cause) {
    throw new BerthError('InvalidArgument', `Cannot ${VERB}: auth.server_address is "${address}", must be an address`, {
      cause,
      field: 'auth.server_address',
    });
  }
}

/** @see the grammar of references: a first part with a dot, a colon or the name localhost is a registry */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io';
}

function isSameRegistry(one: string, other: string): boolean {
  return one === other || (DOCKER_HUB.has(one) && DOCKER_HUB.has(other));
}
