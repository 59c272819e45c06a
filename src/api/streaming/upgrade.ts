import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../base/log.ts';
import type { Limits } from './limits.ts';

/** A connection whose client has brought a token and asked for another protocol; nothing was answered yet. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** What came behind the request. */
  readonly head: Buffer;
  /** Aborting it ends the session; its reason is a BerthError. */
  readonly over: AbortController;
  readonly limits: Limits;
  readonly log: Log;
}
