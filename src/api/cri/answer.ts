import type { handleServerStreamingCall, handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { BerthError, errorCodeOf, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { About, Handler } from './call.ts';
import type { CriEngine } from './engine-door.ts';
import { statusOf } from './errors.ts';

interface AnswerParts {
  readonly engine: CriEngine;
  readonly log: Log;
  readonly about: About;
}

/** Makes a handler one of gRPC's. */
export type Answering = <Request, Answer>(
  method: string,
  handler: Handler<Request, Answer>,
) => handleUnaryCall<Request, Answer>;

/** Errors become statuses here, and nowhere else. What nobody expected is logged with the method that it came from. */
export function answering({ engine, log, about }: AnswerParts): Answering {
  return (method, handler) => (call, callback) => {
    const gone = new AbortController();
    const leave = (): void => gone.abort(new BerthError('Cancelled', `Cannot answer ${method}: nobody waits any more`));
    call.once('cancelled', leave);
    const answer = async (): Promise<void> => {
      try {
        const requester = `cri (${call.getPeer()})`;
        callback(null, await handler(call.request, { engine, about, signal: gone.signal, requester }));
      } catch (error) {
        if (gone.signal.aborted) return;
        if (errorCodeOf(error) === 'Internal') log.error('request failed', { method, error: messageOf(error) });
        callback(statusOf(error));
      } finally {
        call.off('cancelled', leave);
      }
    };
    void answer();
  };
}

/** @param method as the CRI calls it */
export function unsupported<Request, Answer>(method: string): handleUnaryCall<Request, Answer> {
  return (_: ServerUnaryCall<Request, Answer>, callback) => callback(statusOf(notYet(method)));
}

export function unsupportedStream<Request, Answer>(method: string): handleServerStreamingCall<Request, Answer> {
  return (call) => call.emit('error', statusOf(notYet(method)));
}

function notYet(method: string): BerthError {
  return new BerthError('Unsupported', `Cannot answer ${method}: berth does not do it yet`);
}
