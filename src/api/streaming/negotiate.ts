import type { IncomingMessage } from 'node:http';

/** What a client offers in one or several lines of a header, best first. */
export function offeredIn(request: IncomingMessage, header: string): string[] {
  const lines = request.headersDistinct[header] ?? [];
  return lines.flatMap((line) => line.split(',')).flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
}

/** The first of the client's list that we know: the client knows best what it likes. */
export function chooseProtocol<Name extends string>(
  offered: readonly string[],
  known: readonly Name[],
): Name | undefined {
  return offered.flatMap((name) => known.filter((each) => each === name))[0];
}
