import type { IncomingMessage } from 'node:http';
import type { Door } from './exchange.ts';
import { brokenError, errorOf, isErrorBody } from './errors.ts';

/**
 * The objects of an NDJSON answer as they come. Leaving the loop closes the connection.
 * @throws BerthError what the server says last, or Unavailable when it breaks off in the middle
 */
export async function* readLines<T>(
  door: Door,
  response: IncomingMessage,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  let rest = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield parseLine(line) as T;
    }
    if (rest !== '') yield parseLine(rest) as T;
  } catch (error) {
    throw brokenError(door.socket, error, signal);
  } finally {
    response.destroy();
  }
}

function parseLine(line: string): unknown {
  const value: unknown = JSON.parse(line);
  if (isErrorBody(value)) throw errorOf(value);
  return value;
}
