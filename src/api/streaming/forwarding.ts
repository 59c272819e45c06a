import { BerthError, messageOf } from '../../base/errors.ts';
import type { PortForwardOrder } from './orders.ts';
import type { PeerStream } from './peer-stream.ts';

/** One forwarded TCP connection: its data, and a stream on which is told why there is none. */
export interface ForwardedConnection {
  readonly port: number;
  readonly data: PeerStream;
  readonly error: PeerStream;
}

/**
 * Carries one connection until it is over. Never rejects: the client is told on the error stream why it got none. It is
 * not told of one that broke on the way, for kubectl takes any word there for the end of all its connections; that its
 * data stream is reset says the same as TCP does.
 */
export async function forwardConnection(
  order: PortForwardOrder,
  { port, data, error }: ForwardedConnection,
): Promise<void> {
  const gone = new AbortController();
  data.once('close', () => {
    if (data.readableEnded && data.writableFinished) return;
    gone.abort(new BerthError('Cancelled', `Cannot forward port ${port}: its connection is broken`));
  });
  error.resume(); // the client has nothing to say there
  try {
    await order.forward(port, data, gone.signal);
    data.resume(); // what nobody wanted must not hold up the other connections
    data.end();
    error.end();
  } catch (failure) {
    error.end(data.destroyed ? undefined : messageOf(failure));
    data.destroy();
  }
}

/** @returns undefined when it is no port */
export function parsePort(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  return port > 0 && port < 65_536 ? port : undefined;
}
