import type { IncomingMessage } from 'node:http';
import type { RegistryAuth } from '../../engine/ports.ts';
import { digestOf, isDigest } from '../digest.ts';
import { LARGEST_DOCUMENT_BYTES, MANIFEST_ACCEPT, refuseSchema1 } from '../documents.ts';
import type { BlobRef } from '../documents.ts';
import type { Reference } from '../reference.ts';
import { formatReference } from '../reference.ts';
import { Agents } from './agents.ts';
import { endpointsOf } from './endpoints.ts';
import { askInTurn } from './in-turn.ts';
import { drop, readBody } from './send.ts';
import { RegistryServer } from './server.ts';
import type { RegistrySettings } from './settings.ts';
import { Setback } from './setback.ts';
import type { Trust } from './trust.ts';

/** A manifest or an index, as a registry has it. */
export interface Document {
  readonly content: Buffer;
  readonly digest: string;
  /** As the registry announces it; empty when that says nothing. */
  readonly mediaType: string;
}

/** A blob on its way, from `offset` on. */
export interface OpenBlob {
  readonly answer: IncomingMessage;
  readonly offset: number;
  readonly server: RegistryServer;
}

export interface SourceOptions {
  readonly settings: RegistrySettings;
  readonly trust: Trust;
  readonly auth: RegistryAuth | undefined;
}

/** Where one image comes from: its registry and the mirrors of that, with what one pull has found out about them. */
export class Source implements Disposable {
  readonly settings: RegistrySettings;
  readonly #reference: Reference;
  readonly #servers: readonly RegistryServer[];
  readonly #agents: Agents;

  private constructor(
    reference: Reference,
    servers: readonly RegistryServer[],
    settings: RegistrySettings,
    agents: Agents,
  ) {
    this.#reference = reference;
    this.#servers = servers;
    this.settings = settings;
    this.#agents = agents;
  }

  /** Asks nobody yet. @throws BerthError InvalidArgument when the configuration cannot be read */
  static async open(reference: Reference, { settings, trust, auth }: SourceOptions): Promise<Source> {
    const agents = new Agents(trust, settings.env);
    const { registry, repository } = reference;
    const endpoints = await endpointsOf(registry, settings);
    const parts = { repository, auth, agents, stallMs: settings.stallMs };
    return new Source(
      reference,
      endpoints.map((endpoint) => new RegistryServer(endpoint, parts)),
      settings,
      agents,
    );
  }

  /** What is still coming for another pull goes on. */
  [Symbol.dispose](): void {
    this.#agents[Symbol.dispose]();
  }

  get #what(): string {
    return `Cannot pull "${formatReference(this.#reference)}"`;
  }

  /**
   * The digest that the reference means now: one question for a head, and its whole content only from those registries
   * that answer no such question.
   * @throws BerthError as the port's `pull`
   */
  async resolve(signal: AbortSignal): Promise<string> {
    const { tag, digest } = this.#reference;
    if (digest !== undefined) return digest;
    const servers = this.#servers.filter(({ endpoint }) => endpoint.canResolve);
    return this.#inTurn(servers, (server) => this.#digestOfTag(server, tag, signal), signal);
  }

  /** @throws BerthError as the port's `pull` */
  document(digest: string, signal: AbortSignal): Promise<Document> {
    return this.#inTurn(this.pullable, (server) => this.#read(server, digest, digest, signal), signal);
  }

  /**
   * Opens a blob.
   * @param offset where to go on; a server may begin anew all the same
   * @param except servers that have sent something else under this digest
   * @throws BerthError
   */
  openBlob(
    { digest }: BlobRef,
    { offset, except, signal }: { offset: number; except: ReadonlySet<RegistryServer>; signal: AbortSignal },
  ): Promise<OpenBlob> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const question = { method: 'GET', path: `blobs/${digest}`, headers, isDigested: true, signal } as const;
    const ask = async (server: RegistryServer): Promise<OpenBlob> => {
      const answer = await server.ask(question);
      return { answer, server, offset: offsetOf(answer, offset) };
    };
    const servers = this.pullable.filter((server) => !except.has(server));
    return askInTurn(servers, ask, { what: `Cannot get blob ${digest}`, settings: this.settings, signal });
  }

  /** Those that may be asked for what a digest names. */
  get pullable(): readonly RegistryServer[] {
    return this.#servers.filter(({ endpoint }) => endpoint.canPull);
  }

  #inTurn<T>(
    servers: readonly RegistryServer[],
    ask: (server: RegistryServer) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return askInTurn(servers, ask, { what: this.#what, settings: this.settings, signal });
  }

  async #digestOfTag(server: RegistryServer, tag: string, signal: AbortSignal): Promise<string> {
    try {
      const answer = await server.ask({ ...questionFor(tag), method: 'HEAD', signal });
      const digest = toldDigest(answer);
      drop(answer);
      refuseSchema1(mediaTypeOf(answer), this.#what);
      if (digest !== undefined) return digest;
    } catch (error) {
      if (!(error instanceof Setback) || !KNOWS_NO_HEAD.has(error.status)) throw error;
    }
    const { digest } = await this.#read(server, tag, undefined, signal);
    return digest;
  }

  /** @param digest undefined: what the content has */
  async #read(
    server: RegistryServer,
    name: string,
    digest: string | undefined,
    signal: AbortSignal,
  ): Promise<Document> {
    const answer = await server.ask({ ...questionFor(name), method: 'GET', signal });
    const mediaType = mediaTypeOf(answer);
    refuseSchema1(mediaType, this.#what);
    const content = await readBody(answer, LARGEST_DOCUMENT_BYTES, { stallMs: this.settings.stallMs, signal });
    const wanted = digest ?? toldDigest(answer);
    const found = digestOf(content, wanted?.split(':')[0]);
    if (wanted === undefined || wanted === found) return { content, digest: found, mediaType };
    throw new Setback('InvalidArgument', `sends a manifest with digest ${found} where it should be ${wanted}`);
  }
}

const KNOWS_NO_HEAD: ReadonlySet<number | undefined> = new Set([400, 405, 501]);

function questionFor(name: string) {
  return { path: `manifests/${name}`, headers: { accept: MANIFEST_ACCEPT }, isDigested: isDigest(name) } as const;
}

/** Registries that know nothing of a document's kind say that it is JSON, text or bytes. */
function mediaTypeOf({ headers }: IncomingMessage): string {
  const type = (headers['content-type'] ?? '').replace(/\s*;.*/s, '').trim();
  return type.startsWith('application/vnd.') ? type : '';
}

function toldDigest({ headers }: IncomingMessage): string | undefined {
  const told = headers['docker-content-digest'];
  return typeof told === 'string' && isDigest(told) ? told : undefined;
}

/** Where the body of an answer begins; a server that knows no ranges begins at the beginning. */
function offsetOf(answer: IncomingMessage, wanted: number): number {
  if (answer.statusCode !== 206) return 0;
  const start = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1];
  if (Number(start) === wanted) return wanted;
  answer.destroy();
  throw new Setback('Unavailable', 'sends another part of a blob than it was asked for');
}
