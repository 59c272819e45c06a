import type { Agent } from 'node:http';
import { BerthError, messageOf } from '../../base/errors.ts';
import { NO_TLS_FILES } from './endpoint.ts';
import type { Endpoint, TlsFiles } from './endpoint.ts';
import { proxyFor } from './proxy.ts';
import type { RegistrySettings } from './settings.ts';
import type { Trust } from './trust.ts';

type Via = Pick<Endpoint, 'tls' | 'proxy'>;

/** A connection that nobody has used for so long is closed. */
const IDLE_MS = 4_000;

/** Keeps connections open from one request of a pull to the next. Those of other servers get nothing of an endpoint's. */
export class Agents implements Disposable {
  readonly #trust: Trust;
  readonly #env: RegistrySettings['env'];
  readonly #agents = new Map<string, Promise<Agent>>();

  constructor(trust: Trust, env: RegistrySettings['env']) {
    this.#trust = trust;
    this.#env = env;
  }

  /**
   * @param via undefined for a server that an endpoint has redirected to
   * @throws BerthError Unavailable when certificates cannot be read; InvalidArgument for a proxy that is none
   */
  for(url: URL, via: Via | undefined): Promise<Agent> {
    const tls = via?.tls ?? NO_TLS_FILES;
    const proxy = via?.proxy ?? proxyFor(url, this.#env);
    const isSecure = url.protocol === 'https:';
    const key = JSON.stringify([isSecure, proxy, isSecure ? tls : undefined]);
    return this.#agents.getOrInsertComputed(key, () => this.#make(isSecure, tls, proxy));
  }

  /** Requests that are under way for somebody else go on; their connections close when they are idle. */
  [Symbol.dispose](): void {
    for (const making of this.#agents.values()) {
      making.then(closeIdle, () => undefined); // whoever asked for it has heard
    }
  }

  async #make(isSecure: boolean, tls: TlsFiles, proxy: string | undefined): Promise<Agent> {
    const env = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } };
    const options = { keepAlive: true, timeout: IDLE_MS, ...env };
    try {
      if (!isSecure) return new (process.getBuiltinModule('node:http').Agent)(options);
      const secureContext = await this.#trust.contextFor(tls);
      const { Agent } = process.getBuiltinModule('node:https');
      return new Agent({ ...options, secureContext, rejectUnauthorized: !tls.skipVerify });
    } catch (error) {
      if (error instanceof BerthError || proxy === undefined) throw error;
      // Not with the proxy's address: there may be a password in it.
      throw new BerthError('InvalidArgument', `Cannot use the proxy that is configured: ${reasonOf(error)}`);
    }
  }
}

function reasonOf(error: unknown): string {
  return messageOf(error).replace(/\S*:\/\/\S*/g, '…');
}

function closeIdle(agent: Agent): void {
  for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
}
