import type { IncomingMessage } from 'node:http';
import type { Agents } from './agents.ts';
import type { Endpoint } from './endpoint.ts';
import { drop, send } from './send.ts';
import type { Headers, WebRequest } from './send.ts';
import { Setback } from './setback.ts';

export interface Journey extends Pick<WebRequest, 'connectMs' | 'stallMs' | 'signal'> {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  /** For whoever is asked. */
  readonly headers: Headers;
  /** Only for the server that the journey begins at: what proves who we are. */
  readonly secrets: Headers;
  readonly agents: Agents;
  readonly via: Pick<Endpoint, 'tls' | 'proxy'>;
  /** What comes is held against a digest, so that it may come over plain HTTP as well. */
  readonly isDigested: boolean;
}

export interface Arrival {
  readonly answer: IncomingMessage;
  /** Another server than the one that was asked. */
  readonly isElsewhere: boolean;
}

const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Sends a request, and sends it again to where the answer points. No other server than the first one gets the secrets.
 * @throws Setback also for redirects that never end, or that lead from TLS to plain HTTP
 */
export async function follow(journey: Journey): Promise<Arrival> {
  const { method, headers, secrets, connectMs, stallMs, signal } = journey;
  let { url } = journey;
  for (let steps = 0; steps <= MOST_REDIRECTS; steps += 1) {
    const isElsewhere = url.origin !== journey.url.origin;
    const answer = await send({
      method,
      url,
      headers: isElsewhere ? headers : { ...headers, ...secrets },
      agent: await journey.agents.for(url, isElsewhere ? withoutSelf(journey.via) : journey.via),
      connectMs,
      stallMs,
      signal,
    });
    if (!REDIRECTS.has(answer.statusCode ?? 0)) return { answer, isElsewhere };
    drop(answer);
    url = nextOf(url, answer, journey.isDigested);
  }
  throw new Setback('Unavailable', `redirects more than ${MOST_REDIRECTS} times`);
}

/** Where a server points to is trusted like the server, but is not shown who we are. */
function withoutSelf({ tls }: Journey['via']): Journey['via'] {
  return { tls: { ...tls, clients: [] }, proxy: undefined };
}

function nextOf(from: URL, answer: IncomingMessage, isDigested: boolean): URL {
  const { location = '' } = answer.headers;
  const next = location === '' ? null : URL.parse(location, from);
  if (next === null || !/^https?:$/.test(next.protocol)) throw new Setback('Unavailable', 'redirects to nowhere');
  if (from.protocol === 'https:' && next.protocol === 'http:' && !isDigested) {
    throw new Setback('Unavailable', 'redirects from TLS to plain HTTP, where anybody could answer');
  }
  next.username = '';
  next.password = '';
  return next;
}
