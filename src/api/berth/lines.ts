import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BerthError, errorCodeOf, messageOf, underlying } from '../../base/errors.ts';
import type { ErrorBody } from './types.ts';

/** Longer lines are refused: nobody sends them but by mistake. */
const LONGEST_LINE_BYTES = 4 << 20;

export function errorBody(error: unknown): ErrorBody {
  const cause = underlying(error);
  const { field, exitCode } = cause instanceof BerthError ? cause : {};
  const details = {
    ...(field === undefined ? {} : { field }),
    ...(exitCode === undefined ? {} : { exitCode }),
  };
  return { error: { code: errorCodeOf(error), message: messageOf(error), ...details } };
}

/**
 * Sends objects as NDJSON, at the speed of the reader. A failure after the first line is the last line. Resolves when
 * all is sent or the reader is gone.
 */
export async function sendLines(
  response: ServerResponse,
  lines: AsyncIterable<object>,
  gone: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  try {
    for await (const line of lines) {
      if (gone.aborted) return;
      if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal: gone });
    }
  } catch (error) {
    if (gone.aborted) return; // nobody is left to be told
    response.write(`${JSON.stringify(errorBody(error))}\n`);
  }
  response.end();
}

/** The lines of a request's body as they come. */
export async function* readLines(request: IncomingMessage): AsyncGenerator {
  let rest = '';
  request.setEncoding('utf8');
  for await (const chunk of request as AsyncIterable<string>) {
    rest += chunk;
    if (rest.length > LONGEST_LINE_BYTES) {
      throw new BerthError(
        'InvalidArgument',
        `Cannot read the request: a line is longer than ${LONGEST_LINE_BYTES} bytes`,
      );
    }
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line.trim() !== '') yield parseJson(line);
    }
  }
  if (rest.trim() !== '') yield parseJson(rest);
}

/** The whole body as JSON; nothing means an empty object. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LONGEST_LINE_BYTES) {
      throw new BerthError('InvalidArgument', `Cannot read the request: it is longer than ${LONGEST_LINE_BYTES} bytes`);
    }
  }
  return text.trim() === '' ? {} : parseJson(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BerthError('InvalidArgument', `Cannot read the request: it is no JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
