import type { Duplex } from 'node:stream';
import { closeGently } from './close-gently.ts';

// Not imported: that reads every export of the module, one of which loads a WebSocket client.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

type HeaderLines = readonly (readonly [name: string, value: string])[];

/** For clients that hear a no. */
const PATIENCE = { stallMs: 5_000, lingerMs: 1_000 };

/** Answers an upgrade request with an error, and closes. */
export async function refuse(
  socket: Duplex,
  status: number,
  message: string,
  headers: HeaderLines = [],
): Promise<void> {
  const body = `${message}\n`;
  const all: HeaderLines = [
    ...headers,
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(Buffer.byteLength(body))],
    ['Connection', 'close'],
  ];
  socket.write(head(status, all) + body);
  socket.resume();
  await closeGently(socket, PATIENCE);
}

/** Answers an upgrade request with a yes. From the next byte on another protocol is spoken. */
export function switchProtocols(socket: Duplex, headers: HeaderLines): void {
  socket.write(head(101, [['Connection', 'Upgrade'], ...headers]));
}

function head(status: number, headers: HeaderLines): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`;
}
