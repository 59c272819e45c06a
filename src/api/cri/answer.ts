import { once } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import type { handleServerStreamingCall, handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { BerthError, errorCodeOf, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { About, Call, Handler, StreamHandler } from './call.ts';
import type { CriEngine } from './engine-door.ts';
import { statusOf } from './errors.ts';

interface AnswerParts {
  readonly engine: CriEngine;
  readonly log: Log;
  readonly about: About;
}

/** Makes handlers those of gRPC. */
export interface Answering {
  one<Request, Answer>(method: string, handler: Handler<Request, Answer>): handleUnaryCall<Request, Answer>;
  many<Request, Message>(
    method: string,
    handler: StreamHandler<Request, Message>,
  ): handleServerStreamingCall<Request, Message>;
}

interface AnyCall {
  getPeer(): string;
  once(event: 'cancelled', listener: () => void): unknown;
  off(event: 'cancelled', listener: () => void): unknown;
}

/** Errors become statuses here, and nowhere else. What nobody expected is logged with the method that it came from. */
export function answering({ engine, log, about }: AnswerParts): Answering {
  const serve = async (method: string, call: AnyCall, work: (context: Call) => Promise<void>) => {
    const gone = new AbortController();
    const leave = (): void => gone.abort(new BerthError('Cancelled', `Cannot answer ${method}: nobody waits any more`));
    call.once('cancelled', leave);
    try {
      await work({ engine, about, signal: gone.signal, requester: `cri (${call.getPeer()})` });
      return undefined;
    } catch (error) {
      if (gone.signal.aborted) return undefined;
      if (errorCodeOf(error) === 'Internal') log.error('request failed', { method, error: messageOf(error) });
      return statusOf(error);
    } finally {
      call.off('cancelled', leave);
    }
  };
  return {
    one: (method, handler) => (call, callback) => {
      const answer = async (): Promise<void> => {
        const failure = await serve(method, call, async (context) =>
          callback(null, await handler(call.request, context)),
        );
        if (failure !== undefined) callback(failure);
      };
      void answer();
    },
    many: (method, handler) => (call) => {
      const answer = async (): Promise<void> => {
        const failure = await serve(method, call, async (context) => {
          call.sendMetadata(new Metadata()); // from here on a client that waits for it misses nothing
          for await (const message of handler(call.request, context)) {
            if (!call.write(message)) await once(call, 'drain', { signal: context.signal });
          }
          if (!context.signal.aborted) call.end();
        });
        if (failure !== undefined) call.emit('error', failure);
      };
      void answer();
    },
  };
}

/** @param method as the CRI calls it */
export function unsupported<Request, Answer>(method: string): handleUnaryCall<Request, Answer> {
  return (_: ServerUnaryCall<Request, Answer>, callback) => callback(statusOf(notYet(method)));
}

function notYet(method: string): BerthError {
  return new BerthError('Unsupported', `Cannot answer ${method}: berth does not do it yet`);
}
