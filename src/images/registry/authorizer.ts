import { untilAborted } from '../../base/abort.ts';
import type { RegistryAuth } from '../../engine/ports.ts';
import type { Agents } from './agents.ts';
import type { Challenge } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { Setback } from './setback.ts';
import { basicHeader, fetchToken } from './token.ts';

export interface AuthorizerParts {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly auth: RegistryAuth | undefined;
  readonly agents: Agents;
  readonly stallMs: number;
}

/** Shows one server who asks, in the way that it wants to be shown. */
export class Authorizer {
  readonly #parts: AuthorizerParts;
  #header: string | undefined;
  #renewal: Promise<void> = Promise.resolve();

  constructor(parts: AuthorizerParts) {
    this.#parts = parts;
    if (parts.auth?.kind === 'registry-token') this.#header = `Bearer ${parts.auth.token}`;
  }

  /** Undefined until the server has asked for one. */
  get header(): string | undefined {
    return this.#header;
  }

  /**
   * Finds a header that may satisfy the server. Requests that were refused at once share the new one.
   * @param refused what it was shown
   * @throws Setback PermissionDenied when there is nothing else to show
   */
  async renew(refused: string | undefined, challenges: readonly Challenge[], signal: AbortSignal): Promise<void> {
    await untilAborted(this.#renewal, signal);
    if (this.#header !== refused) return;
    const finding = this.#find(refused, challenges, signal).then((header) => void (this.#header = header));
    this.#renewal = finding.catch(() => undefined); // whoever waits for it too tries by itself then
    await finding;
  }

  async #find(refused: string | undefined, challenges: readonly Challenge[], signal: AbortSignal): Promise<string> {
    const { auth, repository } = this.#parts;
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined && auth?.kind !== 'registry-token') {
      const scope = `repository:${repository}:pull`;
      return `Bearer ${await fetchToken({ ...this.#parts, challenge: bearer, scope, signal })}`;
    }
    const isBasic = challenges.some(({ scheme }) => scheme === 'basic');
    if (isBasic && auth?.kind === 'basic' && refused === undefined) return basicHeader(auth);
    throw refusedCredentials(auth);
  }
}

export function refusedCredentials(auth: RegistryAuth | undefined): Setback {
  const fact = auth === undefined ? 'wants credentials, or does not have it' : 'refuses the credentials';
  return new Setback('PermissionDenied', fact);
}
