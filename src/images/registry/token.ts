import type { RegistryAuth } from '../../engine/ports.ts';
import type { Agents } from './agents.ts';
import type { Challenge } from './challenge.ts';
import { isLoopback } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { follow } from './follow.ts';
import { refusalOf } from './refusal.ts';
import { readBody, send } from './send.ts';
import type { WebRequest } from './send.ts';
import { Setback } from './setback.ts';

export interface TokenRequest {
  readonly challenge: Challenge;
  /** When the challenge does not say it itself. */
  readonly scope: string;
  /** Undefined: as anybody. */
  readonly auth: RegistryAuth | undefined;
  readonly endpoint: Endpoint;
  readonly agents: Agents;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

const CLIENT_ID = 'berth';
const LARGEST_TOKEN_BYTES = 256 << 10;

/**
 * Gets an access token from the server that the registry's challenge names. A name and password go there in a GET, as
 * Docker sends them; an identity token is a refresh token of OAuth and goes there in a POST.
 * @throws Setback
 * @see distribution token specification: "Requesting a Token", and its OAuth2 counterpart
 */
export async function fetchToken(request: TokenRequest): Promise<string> {
  const { realm } = request.challenge.parameters;
  const url = URL.parse(realm ?? '');
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Setback('Unavailable', 'wants a token, and does not say from where');
  }
  refuseToTellAnybody(url, request);
  try {
    const answer = request.auth?.kind === 'identity-token' ? await post(url, request) : await get(url, request);
    return tokenIn(await readBody(answer, LARGEST_TOKEN_BYTES, request));
  } catch (error) {
    if (!(error instanceof Setback)) throw error;
    const { code, isPassing, retryAfterMs } = error;
    const fact = `needs a token from ${url.host}, which ${error.message}`;
    throw new Setback(code === 'NotFound' ? 'Unavailable' : code, fact, { isPassing, retryAfterMs, cause: error });
  }
}

/** What a registry is asked over TLS for must not be paid for with a password in the open. */
function refuseToTellAnybody(url: URL, { auth, endpoint }: TokenRequest): void {
  if (auth === undefined || url.protocol === 'https:' || isLoopback(url.host)) return;
  if (endpoint.base.startsWith('http:')) return;
  throw new Setback('PermissionDenied', `wants the credentials sent to ${url.host} without encryption`);
}

async function get(url: URL, { challenge, scope, auth, endpoint, agents, stallMs, signal }: TokenRequest) {
  const { service, scope: wanted = scope } = challenge.parameters;
  if (service !== undefined) url.searchParams.set('service', service);
  for (const each of wanted.split(' ')) url.searchParams.append('scope', each);
  if (auth?.kind === 'basic') url.searchParams.set('account', auth.username);
  const secrets = auth?.kind === 'basic' ? { authorization: basicHeader(auth) } : {};
  const options = { stallMs, signal };
  const { answer, isElsewhere } = await follow({
    method: 'GET',
    url,
    headers: HEADERS,
    secrets,
    agents,
    via: viaOf(url, endpoint),
    connectMs: endpoint.connectMs,
    isDigested: false,
    ...options,
  });
  if (answer.statusCode === 200) return answer;
  throw await refusalOf(answer, isElsewhere, options);
}

/** It is not sent anywhere else: the token is in its body. */
async function post(url: URL, { challenge, scope, auth, endpoint, agents, stallMs, signal }: TokenRequest) {
  const { service = '', scope: wanted = scope } = challenge.parameters;
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    service,
    scope: wanted,
    client_id: CLIENT_ID,
    refresh_token: auth?.kind === 'identity-token' ? auth.token : '',
  }).toString();
  const request: WebRequest = {
    method: 'POST',
    url,
    headers: {
      ...HEADERS,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
    agent: await agents.for(url, viaOf(url, endpoint)),
    connectMs: endpoint.connectMs,
    stallMs,
    signal,
  };
  const answer = await send(request);
  if (answer.statusCode === 200) return answer;
  throw await refusalOf(answer, false, request);
}

const HEADERS = { accept: 'application/json', 'user-agent': 'berth' };

/** Another server than the registry's is not shown the client certificate that is for the registry. */
function viaOf(url: URL, { base, tls, proxy }: Endpoint): Pick<Endpoint, 'tls' | 'proxy'> {
  if (url.origin === new URL(base).origin) return { tls, proxy };
  return { tls: { ...tls, clients: [] }, proxy: undefined };
}

export function basicHeader({ username, password }: Extract<RegistryAuth, { kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function tokenIn(body: Buffer): string {
  try {
    const { token, access_token: other } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    const found = typeof token === 'string' && token !== '' ? token : other;
    // Anything else could not be sent in a header.
    if (typeof found === 'string' && /^[\x21-\x7e]+$/.test(found)) return found;
  } catch {
    // no JSON: the same as none with a token in it
  }
  throw new Setback('Unavailable', 'gives none');
}
