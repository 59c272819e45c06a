import { readFile } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';
import { BerthError, isMissing, messageOf } from '../../base/errors.ts';
import type { TlsFiles } from './endpoint.ts';
import type { RegistrySettings } from './settings.ts';

/** Where systems keep the certificates that they trust. @see Go crypto/x509 root_linux.go */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * Who is trusted to say who a server is: the host's certificates or, in their place, those of SSL_CERT_FILE; besides
 * them those of NODE_EXTRA_CA_CERTS and of the configuration.
 */
export class Trust {
  readonly #env: RegistrySettings['env'];
  #usual: Promise<SecureContext> | undefined;

  constructor(env: RegistrySettings['env']) {
    this.#env = env;
  }

  /**
   * Made once when there are no files of its own: reading a hundred certificates takes some milliseconds.
   * @throws BerthError Unavailable when a file cannot be read or holds no certificate
   */
  async contextFor(files: TlsFiles): Promise<SecureContext> {
    if (files.ca.length > 0 || files.clients.length > 0) return this.#make(files);
    this.#usual ??= this.#make(files);
    try {
      return await this.#usual;
    } catch (error) {
      this.#usual = undefined; // the file may be there the next time
      throw error;
    }
  }

  async #make({ ca, clients }: TlsFiles): Promise<SecureContext> {
    const roots = [...(await this.#roots()), ...(await Promise.all(ca.map(readPem)))];
    const cert = await Promise.all(clients.map((client) => readPem(client.cert)));
    const key = await Promise.all(clients.map((client) => readPem(client.key)));
    const { createSecureContext } = process.getBuiltinModule('node:tls');
    try {
      return createSecureContext({
        ...(roots.length === 0 ? {} : { ca: roots }),
        ...(cert.length === 0 ? {} : { cert, key }),
      });
    } catch (error) {
      const which = [...ca, ...clients.flatMap((client) => [client.cert, client.key])].join('", "');
      throw new BerthError('Unavailable', `Cannot use the certificates in "${which}": ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Empty: Node's own. */
  async #roots(): Promise<string[]> {
    const { SSL_CERT_FILE: instead, NODE_EXTRA_CA_CERTS: extra } = this.#env;
    const usual = isSet(instead) ? await readPem(instead) : await firstOf(SYSTEM_BUNDLES);
    const more = isSet(extra) ? await readPem(extra) : undefined;
    if (usual !== undefined) return more === undefined ? [usual] : [usual, more];
    const { rootCertificates } = process.getBuiltinModule('node:tls');
    return more === undefined ? [] : [...rootCertificates, more];
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const message = `Cannot read the certificates in "${path}": ${messageOf(error)}`;
    throw new BerthError('Unavailable', message, { cause: error });
  }
}
