import { isIP } from 'node:net';
import { BerthError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { Limits } from './limits.ts';
import type { StreamingServer } from './server.ts';

export type { Limits } from './limits.ts';
export type { AttachOrder, ExecOrder, PortForwardOrder, SessionStreams } from './orders.ts';
export type { StreamingServer } from './server.ts';

export interface StreamingOptions {
  readonly log: Log;
  /**
   * The address to listen on, which is also the one that clients are told. 127.0.0.1 by default. There is no TLS: on
   * any other address than a loopback one, everybody on the way can read and take over a session.
   */
  readonly host?: string;
  /** 0: any that is free. */
  readonly port?: number;
  readonly limits?: Partial<Limits>;
}

/**
 * Starts the server for exec, attach and port-forward. It knows no engine: an order brings the function that does it.
 * Its code is loaded now, and what SPDY and WebSocket need when the first client asks for it.
 * @throws BerthError InvalidArgument; Unavailable when it cannot listen there
 */
export async function openStreaming({
  log,
  host = '127.0.0.1',
  port = 0,
  limits = {},
}: StreamingOptions): Promise<StreamingServer> {
  if (isIP(host) === 0 || host === '0.0.0.0' || host === '::') {
    throw new BerthError(
      'InvalidArgument',
      `Cannot listen on "${host}": must be one IP address, for clients are told it`,
    );
  }
  const { StreamingServer: Server } = await import('./server.ts');
  const server = await Server.listen(host, port, { ...DEFAULT_LIMITS, ...limits }, log);
  if (!/^(127\.|::1$)/.test(host)) log.warn('streaming server can be reached from other hosts, without TLS', { host });
  return server;
}
