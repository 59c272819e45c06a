import { once } from 'node:events';
import { createServer as createPlain } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json, pushedImage, sha256 } from './images.ts';
import type { PushedImage, TestImage } from './images.ts';

export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** A request, taken apart. */
export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly repository: string;
  readonly kind: 'manifests' | 'blobs' | undefined;
  /** The tag or digest. */
  readonly name: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers instead of the registry when it returns true. */
type Behaviour = (asked: Asked, response: ServerResponse) => boolean | Promise<boolean>;

interface Stored {
  readonly content: Buffer;
  readonly mediaType: string;
}

/** A registry that behaves as badly as a test wants; otherwise it behaves. */
export class FakeRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly #stored = new Map<string, Stored>();
  /** Everything that was asked. */
  readonly asked: Asked[] = [];
  behave: Behaviour = () => false;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  static async open({ tls, host = '127.0.0.1' }: { readonly tls?: ServerOptions; readonly host?: string } = {}) {
    const registry = new FakeRegistry(tls === undefined ? createPlain() : createSecure(tls));
    registry.#server.listen(0, host);
    await once(registry.#server, 'listening');
    return registry;
  }

  /** As in names of images. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Returns the digest of the manifest. */
  push(repository: string, tag: string, image: TestImage | PushedImage, form: 'oci' | 'docker' = 'oci'): string {
    const pushed = 'manifest' in image ? image : pushedImage(image, form);
    for (const [digest, content] of pushed.blobs) this.#put(`${repository}/blobs/${digest}`, content, '');
    return this.putManifest(repository, tag, pushed.manifest, pushed.mediaType);
  }

  /** An index of images for several platforms. Returns its digest. */
  pushIndex(
    repository: string,
    tag: string,
    images: readonly { readonly image: TestImage; readonly platform: object | undefined }[],
    indexType = INDEX_TYPE,
  ): string {
    const manifests = images.map(({ image, platform }) => {
      const { manifest, mediaType } = pushedImage(image);
      const digest = this.push(repository, sha256(manifest), image);
      return { mediaType, digest, size: manifest.length, ...(platform === undefined ? {} : { platform }) };
    });
    const content = json({ schemaVersion: 2, mediaType: indexType, manifests });
    return this.putManifest(repository, tag, content, indexType);
  }

  putManifest(repository: string, tag: string, content: Buffer, mediaType: string): string {
    for (const name of [tag, sha256(content)]) this.#put(`${repository}/manifests/${name}`, content, mediaType);
    return sha256(content);
  }

  #put(path: string, content: Buffer, mediaType: string): void {
    this.#stored.set(path, { content, mediaType });
  }

  count(method: string, kind: Asked['kind']): number {
    return this.asked.filter((each) => each.method === method && each.kind === kind).length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined); // whoever asked has gone
    const asked = await askedIn(request);
    this.asked.push(asked);
    if (await this.behave(asked, response)) return;
    const stored = this.#stored.get(`${asked.repository}/${asked.kind}/${asked.name}`);
    if (stored === undefined) fail(response, 404, 'UNKNOWN', 'it is not here');
    else if (asked.kind === 'manifests') sendManifest(asked, response, stored);
    else sendBlob(asked, response, stored.content);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export function fail(
  response: ServerResponse,
  status: number,
  code = 'SOMETHING',
  message = 'it does not work',
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
  return true;
}

async function askedIn(request: IncomingMessage): Promise<Asked> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const url = request.url ?? '/';
  const [, repository = '', kind, name = ''] = /\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(url) ?? [];
  const { method = 'GET', headers } = request;
  return { method, url, repository, kind: kind as Asked['kind'], name, headers, body };
}

function sendManifest({ method }: Asked, response: ServerResponse, { content, mediaType }: Stored): void {
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': content.length,
    'docker-content-digest': sha256(content),
  });
  response.end(method === 'HEAD' ? undefined : content);
}

/** As a server does that knows ranges. */
export function sendBlob({ headers }: Asked, response: ServerResponse, content: Buffer): true {
  const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  const rest = content.subarray(start);
  const range = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(start === 0 ? 200 : 206, {
    'content-length': rest.length,
    ...(start === 0 ? {} : { 'content-range': range }),
  });
  response.end(rest);
  return true;
}
