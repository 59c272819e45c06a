import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '../../base/errors.ts';
import { drop, readBody } from './send.ts';
import type { WebRequest } from './send.ts';
import { Setback } from './setback.ts';

const LARGEST_COMPLAINT_BYTES = 64 << 10;
const LONGEST_COMPLAINT = 200;

/**
 * What it means that a server answered with another status than it should.
 * @param isElsewhere then its words are kept to itself: it is nobody that we meant to ask
 */
export async function refusalOf(
  answer: IncomingMessage,
  isElsewhere: boolean,
  options: Pick<WebRequest, 'stallMs' | 'signal'>,
): Promise<Setback> {
  const status = answer.statusCode ?? 0;
  const complaint = isElsewhere ? '' : await complaintOf(answer, options);
  if (isElsewhere) drop(answer);
  const fact = `${isElsewhere ? 'sends us to a server that ' : ''}${factOf(status, answer)}${complaint}`;
  return new Setback(codeOf(status), fact, {
    isPassing: isPassing(status),
    retryAfterMs: retryAfterOf(answer),
    status,
  });
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'PermissionDenied';
  if (status === 404 || status === 410) return 'NotFound';
  return status === 429 ? 'ResourceExhausted' : 'Unavailable';
}

function isPassing(status: number): boolean {
  return status === 429 || status === 408 || (status >= 500 && status !== 501);
}

function factOf(status: number, { statusMessage = '' }: IncomingMessage): string {
  if (status === 403) return 'refuses access';
  if (status === 404 || status === 410) return 'does not have it';
  if (status === 429) return 'says that there were too many requests';
  return `answers ${status}${statusMessage === '' ? '' : ` ${oneLine(statusMessage)}`}`;
}

/** The registry's own words. @see OCI distribution-spec, Error Codes */
async function complaintOf(answer: IncomingMessage, options: Pick<WebRequest, 'stallMs' | 'signal'>): Promise<string> {
  try {
    const body = await readBody(answer, LARGEST_COMPLAINT_BYTES, options);
    const { errors } = JSON.parse(body.toString('utf8')) as { errors?: { code?: unknown; message?: unknown }[] };
    const { code, message } = errors?.[0] ?? {};
    const words = [code, message].filter((each) => typeof each === 'string' && each !== '').join(': ');
    return words === '' ? '' : ` (${oneLine(words)})`;
  } catch (error) {
    if (options.signal.aborted) throw error;
    return ''; // a page for people, or nothing: the status has to do
  }
}

function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, LONGEST_COMPLAINT);
}

/** Seconds or a date. @see RFC 9110, 10.2.3 */
function retryAfterOf({ headers }: IncomingMessage): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}
