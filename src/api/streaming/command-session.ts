import { whenAborted } from '../../base/abort.ts';
import { BerthError, messageOf } from '../../base/errors.ts';
import { ClientOutput } from './client-output.ts';
import type { Limits } from './limits.ts';
import type { CommandOrder, ExitStatus } from './orders.ts';
import type { PeerStream } from './peer-stream.ts';
import { Resizes } from './resizes.ts';
import { unlessStalled } from './stall.ts';
import { statusText } from './status.ts';
import type { CommandVersion, Outcome } from './status.ts';

/** The streams of one exec or attach, whatever carries them. What was not ordered is not there. */
export interface CommandStreams {
  readonly error: PeerStream;
  readonly stdin?: PeerStream;
  readonly stdout?: PeerStream;
  readonly stderr?: PeerStream;
  readonly resize?: PeerStream;
}

export interface CommandSession {
  readonly order: CommandOrder;
  readonly version: CommandVersion;
  readonly streams: CommandStreams;
  /** Aborting it ends the session; its reason, a BerthError, is told to a client that is still there. */
  readonly over: AbortController;
  readonly limits: Limits;
}

/**
 * Runs an ordered command between its streams, and tells the client how it ended. Resolves when that has been sent or
 * cannot be sent; the connection is still open then.
 */
export async function runCommand(session: CommandSession): Promise<void> {
  const { over, streams, limits, version } = session;
  const outputs = [streams.stdout, streams.stderr].filter((stream) => stream !== undefined);
  for (const stream of [streams.error, ...outputs]) stream.resume(); // the client has nothing to say there
  const outcome = await firstOf(start(session), over.signal);
  streams.stdin?.dropInput(); // a client that first sends all of it and then reads would never hear of the end
  // The client takes an end of output for the end of the command, and looks for the status behind it.
  await flush(outputs, limits.stallMs);
  streams.stdin?.end();
  streams.resize?.end();
  await tellOutcome(outcome, version, streams.error, limits);
}

/** Says how it ended, as the last thing on the error stream. */
export async function tellOutcome(
  outcome: Outcome,
  version: CommandVersion,
  error: PeerStream,
  { stallMs }: Pick<Limits, 'stallMs'>,
): Promise<void> {
  error.end(statusText(outcome, version));
  await flush([error], stallMs);
}

async function start({ order, streams, over, limits }: CommandSession): Promise<Outcome> {
  const overflow = (): void =>
    over.abort(new BerthError('ResourceExhausted', 'Cannot go on: the client does not read its output'));
  const output = (stream: PeerStream | undefined): ClientOutput | undefined =>
    stream && new ClientOutput(stream, limits.outputCapBytes, overflow);
  const io = {
    stdin: streams.stdin && untilGone(streams.stdin),
    stdout: output(streams.stdout),
    stderr: output(streams.stderr),
    resizes: new Resizes(streams.resize),
  };
  const aborted = new AbortController();
  using _ = whenAborted(over.signal, () => aborted.abort(over.signal.reason)); // not after the command has ended
  try {
    return outcomeOf(await order.run(io, aborted.signal));
  } catch (error) {
    return { kind: 'failed', message: messageOf(error) };
  }
}

function outcomeOf(status: ExitStatus | undefined): Outcome {
  return status === undefined ? { kind: 'done' } : { kind: 'exited', code: status.code };
}

async function firstOf(outcome: Promise<Outcome>, over: AbortSignal): Promise<Outcome> {
  const aborted = Promise.withResolvers<Outcome>();
  using _ = whenAborted(over, () => aborted.resolve({ kind: 'failed', message: messageOf(over.reason) }));
  return await Promise.race([outcome, aborted.promise]);
}

/** Ends the streams and waits until the client has taken what they held, as long as it takes anything. */
async function flush(streams: readonly PeerStream[], stallMs: number): Promise<void> {
  const ended = streams.map((stream) => stream.end() && hasEnded(stream));
  const left = (): number => streams.reduce((bytes, stream) => bytes + stream.writableLength, 0);
  const isFlushed = await unlessStalled(Promise.all(ended), left, stallMs);
  if (!isFlushed) for (const stream of streams) stream.destroy();
}

function hasEnded(stream: PeerStream): Promise<void> {
  if (stream.writableFinished || stream.closed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('finish', resolve);
    stream.once('close', resolve);
  });
}

/** Input as it comes; a client that gives the stream up ends it. */
async function* untilGone(stream: PeerStream): AsyncGenerator<Uint8Array> {
  try {
    for await (const data of stream) yield data as Buffer;
  } catch {
    // destroyed with the session, whose signal has told
  }
}
