import { once } from 'node:events';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { abortError } from '../../base/abort.ts';
import { BerthError, errnoOf, messageOf } from '../../base/errors.ts';
import { formatDuration, formatSize } from '../../base/units.ts';
import { Setback } from './setback.ts';

export type Headers = Readonly<Record<string, string | string[]>>;

export interface WebRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  readonly headers: Headers;
  readonly body?: string;
  readonly agent: Agent;
  /** Until there is a connection, and until there is a byte of an answer. */
  readonly connectMs: number;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends a request. The head of the answer has come when this resolves, whatever its status; the body has to be read or
 * destroyed.
 * @throws Setback when there is no answer; BerthError Cancelled
 */
export async function send(request: WebRequest): Promise<IncomingMessage> {
  try {
    return await sendOnce(request);
  } catch (error) {
    // A server may close an idle connection just as it is used again: that says nothing about this request.
    if (error instanceof StaleConnection) return await sendOnce(request);
    throw error;
  }
}

class StaleConnection extends Setback {}

async function sendOnce(order: WebRequest): Promise<IncomingMessage> {
  const { signal } = order;
  let request: ClientRequest | undefined;
  try {
    request = begin(order);
    using _ = watch(request, order);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    request.on('error', () => undefined); // from here on the answer tells
    answer.on('error', () => undefined); // nobody may be reading it any more
    return answer;
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    const setback = setbackOf(error);
    if (request?.reusedSocket !== true || !setback.isPassing) throw setback;
    throw new StaleConnection(setback.code, setback.message, { isPassing: true, cause: error });
  }
}

function begin({ method, url, headers, body, agent, signal }: WebRequest): ClientRequest {
  // Not imported: see api/berth/server.ts. What is never asked over TLS never loads it.
  const web = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const request = web.request(url, { method, headers: { ...headers }, agent, signal });
  request.end(body);
  return request;
}

/** Ends a request that gets no connection, or no answer when it has one. */
function watch(request: ClientRequest, { connectMs, stallMs }: WebRequest): Disposable {
  const fact = `cannot be reached: no connection within ${formatDuration(connectMs)}`;
  let timer = setTimeout(() => request.destroy(new Setback('Unavailable', fact)), connectMs);
  const onConnection = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => request.destroy(standstill(stallMs)), stallMs);
  };
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', onConnection);
    else onConnection();
  });
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * The body as it comes. Leaving the loop closes the connection.
 * @throws Setback when it is cut off, or no byte comes for `stallMs` while one is wanted; BerthError Cancelled
 */
export async function* bodyOf(
  answer: IncomingMessage,
  { stallMs, signal }: Pick<WebRequest, 'stallMs' | 'signal'>,
): AsyncGenerator<Uint8Array, void, void> {
  let isWanted = true;
  const timer = setTimeout(() => {
    if (isWanted) answer.destroy(standstill(stallMs));
    else timer.refresh();
  }, stallMs);
  try {
    for await (const chunk of answer as AsyncIterable<Uint8Array>) {
      isWanted = false;
      yield chunk;
      isWanted = true;
      timer.refresh();
    }
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw setbackOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a body whole. @throws Setback when it is larger than a document can be, or cut off; BerthError Cancelled */
export async function readBody(
  answer: IncomingMessage,
  mostBytes: number,
  options: Pick<WebRequest, 'stallMs' | 'signal'>,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(answer, options)) {
    bytes += chunk.length;
    if (bytes > mostBytes) {
      throw new Setback(
        'ResourceExhausted',
        `sends a document of more than ${formatSize(mostBytes)}, which is the limit`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Lets go of an answer whose body nobody wants. A short one is read, so that the connection can be used again. */
export function drop(answer: IncomingMessage): void {
  const length = Number(answer.headers['content-length'] ?? Infinity);
  if (length > LONGEST_DROPPED_BYTES) answer.destroy();
  else answer.setTimeout(DROP_WITHIN_MS, () => answer.destroy()).resume();
}

const LONGEST_DROPPED_BYTES = 64 << 10;
const DROP_WITHIN_MS = 1_000;

function standstill(ms: number): Setback {
  return new Setback('DeadlineExceeded', `stands still: it has sent nothing for ${formatDuration(ms)}`);
}

const PASSING = new Set(['ECONNRESET', 'EPIPE', 'EAI_AGAIN', 'ECONNABORTED']);

function setbackOf(error: unknown): Setback {
  if (error instanceof Setback) return error;
  if (error instanceof BerthError)
    return new Setback(error.code, `cannot be asked: ${error.message}`, { cause: error });
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const options = { isPassing: PASSING.has(code), cause: error };
  return new Setback('Unavailable', factOf(code, error), options);
}

function factOf(code: string, error: unknown): string {
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED') return 'cuts the connection';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'cannot be reached: its name is not known';
  if (code.startsWith('HPE_')) return 'answers with something that is no HTTP';
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(code) || code === 'EPROTO') {
    return 'does not speak TLS: if it is to be asked over plain HTTP, say plain_http = true in the configuration';
  }
  if (/CERT|SELF_SIGNED|VERIFY|ISSUER/.test(code)) return `has a certificate that is not trusted: ${messageOf(error)}`;
  if (code.startsWith('ERR_PROXY')) return 'cannot be reached: the proxy refuses';
  return `cannot be reached: ${errnoOf(error) ?? (code === '' ? messageOf(error) : code)}`;
}
