import type { IncomingMessage } from 'node:http';
import type { RegistryAuth } from '../../engine/ports.ts';
import type { Agents } from './agents.ts';
import { Authorizer, refusedCredentials } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { follow } from './follow.ts';
import type { Arrival } from './follow.ts';
import { refusalOf } from './refusal.ts';
import { drop } from './send.ts';
import type { Headers } from './send.ts';

export interface Question {
  readonly method: 'GET' | 'HEAD';
  /** Below the repository: `manifests/latest`. */
  readonly path: string;
  readonly headers: Headers;
  readonly isDigested: boolean;
  readonly signal: AbortSignal;
}

export interface ServerParts {
  readonly repository: string;
  /** What proves who we are to the registry; no mirror gets it. */
  readonly auth: RegistryAuth | undefined;
  readonly agents: Agents;
  readonly stallMs: number;
}

/** Once without or with what was good the last time, and once with what the answer to that wants. */
const MOST_TRIES = 2;

/** One endpoint, asked about one repository. */
export class RegistryServer {
  readonly endpoint: Endpoint;
  readonly #parts: ServerParts;
  readonly #authorizer: Authorizer;
  readonly #auth: RegistryAuth | undefined;

  constructor(endpoint: Endpoint, parts: ServerParts) {
    this.endpoint = endpoint;
    this.#parts = parts;
    this.#auth = endpoint.isRegistry ? parts.auth : undefined;
    this.#authorizer = new Authorizer({ ...parts, endpoint, auth: this.#auth });
  }

  /** For messages. */
  get host(): string {
    return new URL(this.endpoint.base).host;
  }

  /**
   * The answer to a question, which has status 200 or 206; its body has to be read or destroyed.
   * @throws Setback; BerthError Cancelled
   */
  async ask(question: Question): Promise<IncomingMessage> {
    const { stallMs } = this.#parts;
    const { signal } = question;
    for (let tries = 1; ; tries += 1) {
      const shown = this.#authorizer.header;
      const { answer, isElsewhere } = await this.#send(question, shown);
      if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
      if (answer.statusCode !== 401 || isElsewhere) throw await refusalOf(answer, isElsewhere, { stallMs, signal });
      const challenges = parseChallenges(answer.headersDistinct['www-authenticate'] ?? []);
      drop(answer);
      if (tries === MOST_TRIES) throw refusedCredentials(this.#auth);
      await this.#authorizer.renew(shown, challenges, signal);
    }
  }

  #send({ method, path, headers, isDigested, signal }: Question, authorization: string | undefined): Promise<Arrival> {
    const { base, namespace, connectMs, headers: own } = this.endpoint;
    const { repository, agents, stallMs } = this.#parts;
    const url = new URL(`${base}/${repository}/${path}`);
    if (namespace !== undefined) url.searchParams.set('ns', namespace);
    return follow({
      method,
      url,
      // A body that is packed on its way would not be what its digest says.
      headers: { 'user-agent': 'berth', 'accept-encoding': 'identity', ...headers },
      secrets: { ...own, ...(authorization === undefined ? {} : { authorization }) },
      agents,
      via: this.endpoint,
      connectMs,
      stallMs,
      isDigested,
      signal,
    });
  }
}
