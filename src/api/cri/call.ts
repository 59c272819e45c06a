import type { CriEngine } from './engine-door.ts';

/** One request on its way to the engine. */
export interface Call {
  readonly engine: CriEngine;
  readonly about: About;
  /** Aborts when the client goes away or its deadline passes. That ends its wait, never the work. */
  readonly signal: AbortSignal;
  /** Who asks, for the timeline. */
  readonly requester: string;
}

/** What the door tells of the daemon that it belongs to. */
export interface About {
  readonly version: string;
  /** The names of the runtime handlers. */
  readonly handlers: readonly string[];
  /** What `crictl info` shows. */
  readonly configuration: Readonly<Record<string, unknown>>;
}

export type Handler<Request, Answer> = (request: Request, call: Call) => Promise<Answer> | Answer;

/** One that answers with any number of messages. */
export type StreamHandler<Request, Message> = (request: Request, call: Call) => AsyncIterable<Message>;
