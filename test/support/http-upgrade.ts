import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface UpgradeAnswer {
  readonly socket: Socket;
  readonly status: number;
  /** As they were sent, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What came behind the answer's head. */
  readonly rest: Buffer;
}

/** Sends a request line and headers as they are, and reads the head of the answer. */
export async function askToUpgrade(
  url: string,
  method: string,
  headers: readonly string[],
  body = '',
): Promise<UpgradeAnswer> {
  const { hostname, port, pathname, search, host } = new URL(url);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write([`${method} ${pathname}${search} HTTP/1.1`, `Host: ${host}`, ...headers, '', body].join('\r\n'));
  let bytes = Buffer.alloc(0);
  while (!bytes.includes('\r\n\r\n')) {
    const chunk = await nextChunk(socket);
    if (chunk === undefined) throw new Error(`closed after ${JSON.stringify(bytes.toString())}`);
    bytes = Buffer.concat([bytes, chunk]);
  }
  const end = bytes.indexOf('\r\n\r\n');
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  return {
    socket,
    status: Number(first.split(' ')[1]),
    headers: lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    rest: bytes.subarray(end + 4),
  };
}

/** Leaves the socket paused. */
function nextChunk(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (chunk?: Buffer): void => {
      socket.off('data', done).off('close', onClose).pause();
      resolve(chunk);
    };
    const onClose = (): void => done();
    socket.once('data', done).once('close', onClose);
    socket.resume();
  });
}
