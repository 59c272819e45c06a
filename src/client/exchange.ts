import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect as connectTo } from 'node:net';
import { text } from 'node:stream/consumers';
import { abortError } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import { brokenError, serverError, unreachableError } from './errors.ts';

// Not imported: that reads every export of the module, one of which loads a WebSocket client (40 ms and 15 MB).
const { request: httpRequest } = process.getBuiltinModule('node:http');

/** Where the daemon listens, and who asks. */
export interface Door {
  readonly socket: string;
  readonly name: string;
}

export interface Order {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** What is undefined is left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Ends the wait for the answer. */
  readonly signal?: AbortSignal | undefined;
  /** Its body may still be under way when the answer is over. */
  readonly isUpload?: boolean;
}

/** A path below `/v1`; every part is somebody's word and is written so that it stays one part. */
export function pathOf(...parts: readonly string[]): string {
  const empty = parts.includes('');
  if (empty) throw new BerthError('InvalidArgument', 'Cannot find "": must be a name or an id');
  return ['/v1', ...parts.map(encodeURIComponent)].join('/');
}

/** One question and its answer, both JSON. */
export async function ask<T>(door: Door, order: Order, body?: object): Promise<T> {
  const request = open(door, order);
  const answered = answerTo(door, request, order.signal);
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const response = await answered;
  try {
    return JSON.parse(await text(response)) as T;
  } catch (error) {
    throw brokenError(door.socket, error, order.signal);
  }
}

/**
 * Opens a request whose body the caller sends. An upload asks for the connection to stay open: a server whose answer is
 * over closes it otherwise while bytes are under way, and the end of the answer is lost with them.
 */
export function open(door: Door, { method, path, query = {}, signal, isUpload = false }: Order): ClientRequest {
  const pairs = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
  const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
  return httpRequest({
    // Without an agent, which would first see whether the host name is an IPv6 address (10 ms).
    createConnection: () => connectTo(door.socket),
    method,
    path: `${path}${search}`,
    headers: { 'x-berth-client': door.name, ...(isUpload ? { connection: 'keep-alive' } : {}) },
    ...(signal === undefined ? {} : { signal }),
  });
}

/**
 * Waits for the head of the answer.
 * @throws BerthError as the server says it; Unavailable or PermissionDenied when there is none
 */
export async function answerTo(
  door: Door,
  request: ClientRequest,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  let response: IncomingMessage;
  try {
    [response] = (await once(request, 'response')) as [IncomingMessage];
  } catch (error) {
    if (signal?.aborted === true) throw abortError(signal);
    throw unreachableError(door.socket, error);
  }
  request.on('error', () => undefined); // from here on the answer tells what became of it
  if (response.statusCode === 200) return response;
  const body = await text(response).catch(() => '');
  request.destroy(); // whatever was still to be sent is not wanted
  throw serverError(body, response.statusCode);
}

/** Resolves when there is room for more. What nobody takes any more is dropped: the answer tells why. */
export async function write(request: ClientRequest, data: Uint8Array | string): Promise<void> {
  if (request.destroyed || request.write(data)) return;
  const over = new AbortController();
  const { signal } = over;
  const ends = ['drain', 'close'].map((name) => once(request, name, { signal }).catch(() => undefined));
  await Promise.race(ends);
  over.abort();
}
