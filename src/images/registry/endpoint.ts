import { isIPv6 } from 'node:net';
import { BerthError } from '../../base/errors.ts';
import { DOCKER_HUB } from '../../base/image-name.ts';

/** Files about TLS; all hold PEM. */
export interface TlsFiles {
  /** Trusted besides what the host trusts. */
  readonly ca: readonly string[];
  /** What we show of ourselves. The key may be in the file of the certificate. */
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
  /** Neither chain nor host name of the server's certificate are looked at. */
  readonly skipVerify: boolean;
}

/** A server that may be asked for the images of one registry: the registry itself, or a mirror of it. */
export interface Endpoint {
  /** `https://registry-1.docker.io/v2`, without a `/` at its end. */
  readonly base: string;
  /** It may say which digest a tag means. Otherwise it is asked only for what a digest names. */
  readonly canResolve: boolean;
  readonly canPull: boolean;
  /** It is the registry, not a mirror: it gets the credentials. */
  readonly isRegistry: boolean;
  /** Tells a server that mirrors several which registry is meant. */
  readonly namespace: string | undefined;
  /** Sent to it alone. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly tls: TlsFiles;
  readonly connectMs: number;
  /** Instead of what the environment says; undefined: as that says. */
  readonly proxy: string | undefined;
}

export const NO_TLS_FILES: TlsFiles = { ca: [], clients: [], skipVerify: false };
/** @see containerd docs/hosts.md, dial_timeout */
export const CONNECT_MS = 30_000;

/** What the names of Docker Hub say and where it answers are two hosts. */
const HUB_SERVER = 'registry-1.docker.io';

/** The registry itself, as nothing else is known of it. Loopback has no certificates, so it is asked over plain HTTP. */
export function registryItself(registry: string, { plainHttp }: { readonly plainHttp?: boolean } = {}): Endpoint {
  const host = registry === DOCKER_HUB ? HUB_SERVER : registry;
  const scheme = (plainHttp ?? isLoopback(host)) ? 'http' : 'https';
  return {
    base: `${scheme}://${host}/v2`,
    canResolve: true,
    canPull: true,
    isRegistry: true,
    namespace: undefined,
    headers: {},
    tls: NO_TLS_FILES,
    connectMs: CONNECT_MS,
    proxy: undefined,
  };
}

export interface ServerAddress {
  readonly base: string;
  readonly namespace: string | undefined;
}

/**
 * Reads the address of a server for a registry: a URL, or a host that is asked over HTTPS. The API's `/v2` is added to
 * its path, unless the path is to be taken as it stands.
 * @throws BerthError InvalidArgument
 * @see containerd docs/hosts.md: server, override_path, the query parameter ns
 */
export function serverAddress(
  text: string,
  registry: string,
  { scheme = 'https', isPathWhole = false }: { readonly scheme?: string; readonly isPathWhole?: boolean } = {},
): ServerAddress {
  const url = URL.parse(text.includes('://') ? text : `${scheme}://${text}`);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isWeb || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    const shown = text.replace(/\/\/[^/]*@/, '//…@'); // there may be a password in it
    const message = `Cannot read registry server "${shown}": must be a host, or like https://host:port/path`;
    throw new BerthError('InvalidArgument', message);
  }
  const path = url.pathname.replace(/\/+$/, '');
  const whole = isPathWhole || path.endsWith('/v2') ? path : `${path}/v2`;
  const isOwn = url.host === registry || (registry === DOCKER_HUB && url.host === HUB_SERVER);
  return { base: `${url.origin}${whole}`, namespace: isOwn ? undefined : registry };
}

/** @param host with or without a port */
export function isLoopback(host: string): boolean {
  const name = hostName(host);
  return name === 'localhost' || /^127(\.\d{1,3}){3}$/.test(name) || (isIPv6(name) && /^(0*:)+0*1$/.test(name));
}

/** Without the port, and without the brackets of an IPv6 address. */
export function hostName(host: string): string {
  return /^\[(.*)\]/.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
}
