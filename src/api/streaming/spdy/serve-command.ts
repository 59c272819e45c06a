import { untilAborted } from '../../../base/abort.ts';
import { BerthError, messageOf } from '../../../base/errors.ts';
import { runCommand, tellOutcome } from '../command-session.ts';
import type { CommandStreams } from '../command-session.ts';
import { keepWatch } from '../keep-watch.ts';
import type { CommandOrder } from '../orders.ts';
import type { PeerStream } from '../peer-stream.ts';
import type { CommandVersion } from '../status.ts';
import type { Upgrade } from '../upgrade.ts';
import { RESET } from './frames.ts';
import { SpdySession } from './session.ts';
import type { AcceptedStream, StreamRequest } from './session.ts';

type StreamType = keyof CommandStreams;

/** Serves an exec or an attach on a connection that has been upgraded, until it is over. */
export async function serveCommand(order: CommandOrder, version: CommandVersion, upgrade: Upgrade): Promise<void> {
  const { socket, head, over, limits, log } = upgrade;
  const opening = new Opening(streamTypes(order, version));
  const session = new SpdySession(socket, { accept: (request) => opening.accept(request), limits, log });
  using _watch = keepWatch(upgrade, session);
  session.start(head);
  try {
    const streams = await opening.complete(over, limits.streamCreationMs);
    await runCommand({ order, version, streams, over, limits });
  } catch (error) {
    const outcome = { kind: 'failed', message: messageOf(error) } as const;
    if (opening.error !== undefined) await tellOutcome(outcome, version, opening.error, limits);
  }
  await session.close();
}

/** What the client must open. One without a terminal has no size. */
function streamTypes({ stdin, stdout, stderr, tty }: CommandOrder, version: CommandVersion): ReadonlySet<StreamType> {
  const asked = { error: true, stdin, stdout, stderr, resize: tty && version >= 3 };
  return new Set(Object.entries(asked).flatMap(([type, isAsked]) => (isAsked ? [type as StreamType] : [])));
}

/** The client opens its streams one after the other; the command begins when all are there. */
class Opening {
  readonly #wanted: ReadonlySet<StreamType>;
  readonly #streams: Partial<Record<StreamType, PeerStream>> = {};
  readonly #complete = Promise.withResolvers<CommandStreams>();

  constructor(wanted: ReadonlySet<StreamType>) {
    this.#wanted = wanted;
  }

  get error(): PeerStream | undefined {
    return this.#streams.error;
  }

  accept({ headers }: StreamRequest): AcceptedStream | typeof RESET.refusedStream {
    const type = headers.get('streamtype') as StreamType;
    if (!this.#wanted.has(type) || this.#streams[type] !== undefined) return RESET.refusedStream;
    return { atLoss: 'ends', use: (stream) => this.#add(type, stream) };
  }

  /** @throws BerthError DeadlineExceeded; the reason of `over` when that aborts first */
  async complete(over: AbortController, ms: number): Promise<CommandStreams> {
    const late = setTimeout(() => {
      const missing = [...this.#wanted].filter((type) => this.#streams[type] === undefined).join(', ');
      over.abort(new BerthError('DeadlineExceeded', `Cannot begin: the client did not open its streams: ${missing}`));
    }, ms);
    try {
      return await untilAborted(this.#complete.promise, over.signal);
    } finally {
      clearTimeout(late);
    }
  }

  #add(type: StreamType, stream: PeerStream): void {
    this.#streams[type] = stream;
    const { error, ...others } = this.#streams;
    const isComplete = [...this.#wanted].every((each) => this.#streams[each] !== undefined);
    if (isComplete && error !== undefined) this.#complete.resolve({ error, ...others });
  }
}
