import { untilAborted, whenAborted } from '../../base/abort.ts';
import { BerthError, asError } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { AttachStream, OutputChunk, RunRef, TerminalSize } from '../ports.ts';
import type { ContainerActor, WaitingClient } from './actor.ts';
import { currentRun, describePhase, isLive } from './state.ts';
import { isOver } from './stop.ts';

export interface AttachRequest {
  /** It writes to the container's input; left out: it only watches. */
  readonly hasInput?: boolean;
  /** It gets what is printed; left out: it does. */
  readonly hasOutput?: boolean;
  /** One that does not run is attached to when it starts, before its program prints anything. */
  readonly isForNextRun?: boolean;
  /** Of the container's terminal, from then on. */
  readonly size?: TerminalSize;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** A client of a container's standard streams. It ends with the run; disposing it, or its signal, ends it sooner. */
export interface AttachSession extends Disposable {
  /**
   * What is printed from now on; of a container with a terminal all of it is stdout.
   * @throws BerthError ResourceExhausted when the client fell behind by more than the cap, which is 4 MiB: the container
   *   waits for nobody; Unavailable when the monitor is lost; NotFound when the container is removed before its start
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves when the container's input has taken it. What nobody can read any more is dropped. */
  write(data: Uint8Array): Promise<void>;
  /** The container's input ends with it when the container was made so (`isStdinOnce`) and has no terminal. */
  closeInput(): void;
  /** @throws BerthError WrongState when it has no terminal, or does not run */
  resize(size: TerminalSize): Promise<void>;
}

/**
 * Attaches a client to a container.
 * @throws BerthError WrongState when it does not run, and the request is not for its next run; Unavailable when its
 *   monitor does not answer
 */
export async function attachToContainer(
  actor: ContainerActor,
  parts: EngineParts,
  request: AttachRequest,
): Promise<AttachSession> {
  const { state, spec } = actor;
  const run = currentRun(state);
  const hasMonitor = run !== undefined && !('step' in run && run.step === 'creating');
  const isWaiting = !hasMonitor && request.isForNextRun === true && !actor.isGone && state.phase !== 'removing';
  if (!hasMonitor && !isWaiting) {
    const phase = describePhase(state);
    throw new BerthError('WrongState', `Cannot attach to container "${spec.name}": it is ${phase}, must be running`);
  }
  const attachment = new Attachment(actor, parts, request);
  if (isWaiting) attachment.waitForStart();
  else await attachment.connect(actor.run(run?.number ?? 0));
  return attachment;
}

/** @throws BerthError WrongState when it has no terminal, or does not run; DeadlineExceeded when its monitor hangs */
export async function resizeContainer(actor: ContainerActor, parts: EngineParts, size: TerminalSize): Promise<void> {
  const { state, spec } = actor;
  const cannot = `Cannot resize the terminal of container "${spec.name}"`;
  if (!spec.process.hasTerminal) throw new BerthError('WrongState', `${cannot}: it has none`);
  if (!isLive(state)) throw new BerthError('WrongState', `${cannot}: it is ${describePhase(state)}, must be running`);
  await runtimeOf(parts, spec).resize(actor.run(state.run.number), size);
}

/** Connects everybody who waits for this run. It never rejects: a start does not fail for who watches it. */
export async function connectAttachments(actor: ContainerActor, run: RunRef): Promise<void> {
  await Promise.all([...actor.attachments].map((attachment) => attachment.connect(run).catch(() => undefined)));
}

/** The run that they wait for did not come about. */
export function endAttachments(actor: ContainerActor): void {
  for (const attachment of actor.attachments) attachment.end();
}

class Attachment implements AttachSession, WaitingClient {
  readonly #actor: ContainerActor;
  readonly #parts: EngineParts;
  readonly #request: AttachRequest;
  /** Undefined: it ended without one. */
  readonly #stream = Promise.withResolvers<AttachStream | undefined>();
  readonly #over = new AbortController();
  readonly #leaving: Disposable;
  #run: RunRef | undefined;

  constructor(actor: ContainerActor, parts: EngineParts, request: AttachRequest) {
    this.#actor = actor;
    this.#parts = parts;
    this.#request = request;
    this.#stream.promise.catch(() => undefined); // told to whoever reads
    this.#leaving = whenAborted(request.signal, () => this.end());
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.#read();
  }

  waitForStart(): void {
    if (this.#over.signal.aborted) return;
    this.#actor.attachments.add(this);
    this.#actor
      .until(() => false, this.#over.signal)
      .catch((error: unknown) => this.#stream.reject(error)) // it was removed, or this is over and told already
      .finally(() => this.#actor.attachments.delete(this));
  }

  /** @throws BerthError Unavailable, which is what the output ends with as well */
  async connect(run: RunRef): Promise<void> {
    this.#run = run;
    this.#actor.attachments.delete(this);
    const { hasInput = false, hasOutput = true, size } = this.#request;
    const { process } = this.#actor.spec;
    const runtime = runtimeOf(this.#parts, this.#actor.spec);
    try {
      if (size !== undefined && process.hasTerminal) await runtime.resize(run, size);
      const stream = await runtime.attach(run, { hasInput, hasOutput });
      if (this.#over.signal.aborted) stream[Symbol.dispose]();
      else this.#stream.resolve(stream);
    } catch (error) {
      this.#stream.reject(asError(error));
      throw error;
    }
  }

  async write(data: Uint8Array): Promise<void> {
    const stream = await this.#stream.promise;
    await stream?.write(data);
  }

  closeInput(): void {
    this.#stream.promise.then(
      (stream) => stream?.closeInput(),
      () => undefined, // there is no input to be closed
    );
  }

  resize(size: TerminalSize): Promise<void> {
    return resizeContainer(this.#actor, this.#parts, size);
  }

  end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#leaving[Symbol.dispose]();
    this.#stream.resolve(undefined);
    this.#stream.promise.then(
      (stream) => stream?.[Symbol.dispose](),
      () => undefined, // nothing was opened
    );
  }

  [Symbol.dispose](): void {
    this.end();
  }

  async *#read(): AsyncGenerator<OutputChunk, void> {
    const stream = await this.#stream.promise;
    if (stream === undefined) return;
    if (this.#request.hasOutput !== false) yield* stream.output;
    else await this.#untilOver();
  }

  /** Somebody who only writes is told of the end by the run itself. */
  async #untilOver(): Promise<void> {
    const number = this.#run?.number ?? 0;
    await untilAborted(
      this.#actor.until((state) => isOver(state, number), this.#over.signal),
      this.#over.signal,
    ).catch(() => undefined); // removed, or it left
  }
}
