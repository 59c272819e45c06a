import { X509Certificate, createPrivateKey, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Certificates } from './certificates.ts';

export interface TokenQuestion {
  readonly method: string;
  readonly authorization: string | undefined;
  readonly parameters: URLSearchParams;
}

/** Gives tokens that Debian's registry takes, to whom a test lets have them. */
export class TokenServer implements AsyncDisposable {
  readonly asked: TokenQuestion[] = [];
  readonly #server: Server;
  isGiven: (question: TokenQuestion) => boolean = () => true;
  /** How long a token is good for. */
  lifeMs = 300_000;

  private constructor(server: Server, certificates: Certificates) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response) => {
      void this.#questionIn(request).then((question) => {
        this.asked.push(question);
        const isGiven = this.isGiven(question);
        response.writeHead(isGiven ? 200 : 401, { 'content-type': 'application/json' });
        response.end(isGiven ? JSON.stringify({ token: this.#token(question, certificates) }) : '{}');
      });
    });
  }

  static async open(certificates: Certificates): Promise<TokenServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TokenServer(server, certificates);
  }

  /** The registry's configuration. */
  config({ ca }: Certificates): object {
    const realm = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/token`;
    return { auth: { token: { realm, service: 'test registry', issuer: 'test', rootcertbundle: ca } } };
  }

  async #questionIn(request: IncomingMessage): Promise<TokenQuestion> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method = '', url = '', headers } = request;
    const parameters = method === 'POST' ? new URLSearchParams(body) : new URL(url, 'http://x').searchParams;
    return { method, authorization: headers.authorization, parameters };
  }

  /** @see distribution token specification, JSON Web Token */
  #token({ parameters }: TokenQuestion, { client }: Certificates): string {
    const certificate = new X509Certificate(readFileSync(client.cert));
    const header = { typ: 'JWT', alg: 'ES256', x5c: [certificate.raw.toString('base64')] };
    const now = Math.floor(Date.now() / 1_000);
    const access = parameters.getAll('scope').map((scope) => {
      const [type, name, actions = ''] = scope.split(':');
      return { type, name, actions: actions.split(',') };
    });
    const times = { iat: now - 5, nbf: now - 5, exp: now + Math.ceil(this.lifeMs / 1_000) };
    const claims = { iss: 'test', sub: 'x', aud: parameters.get('service'), jti: randomUUID(), access, ...times };
    const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const key = createPrivateKey(readFileSync(client.key));
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
