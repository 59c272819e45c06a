import { request as openRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type {
  ContainerAnswer,
  CreateBody,
  EventLine,
  ExecBody,
  ExecOutput,
  StopAnswer,
  WhyAnswer,
} from '../../src/api/berth/types.ts';
import type { ExitRecord } from '../../src/engine/index.ts';

/** An answer that is an error, as the door gives it. */
class ApiError extends Error {
  readonly code: string;
  readonly field: string | undefined;
  readonly status: number;

  constructor(status: number, { code, message, field }: { code: string; message: string; field?: string }) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

export interface ExecOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: number;
  readonly isTimedOut: boolean;
  readonly isOutputCut: boolean;
}

/** A client of the own door that says what it got, errors included. */
export class OwnDoor {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  get<T = unknown>(path: string): Promise<T> {
    return this.#call<T>('GET', path);
  }

  post<T = unknown>(path: string, body: object = {}): Promise<T> {
    return this.#call<T>('POST', path, body);
  }

  delete<T = unknown>(path: string): Promise<T> {
    return this.#call<T>('DELETE', path);
  }

  /** A shell in busybox, unless the request says what to run. */
  create(script: string, request: Partial<CreateBody> = {}): Promise<ContainerAnswer> {
    return this.post<ContainerAnswer>('/v1/containers', {
      image: 'busybox',
      command: ['/bin/sh', '-c', script],
      ...request,
    });
  }

  async run(script: string, request: Partial<CreateBody> = {}): Promise<ContainerAnswer> {
    const { id } = await this.create(script, request);
    return this.post<ContainerAnswer>(`/v1/containers/${id}/start`);
  }

  inspect(id: string): Promise<ContainerAnswer> {
    return this.get<ContainerAnswer>(`/v1/containers/${id}`);
  }

  stop(id: string, body: { graceMs?: number | 'never'; reason?: string } = {}): Promise<StopAnswer> {
    return this.post<StopAnswer>(`/v1/containers/${id}/stop`, body);
  }

  async wait(id: string): Promise<ExitRecord> {
    return (await this.post<{ exit: ExitRecord }>(`/v1/containers/${id}/wait`)).exit;
  }

  why(id: string): Promise<WhyAnswer> {
    return this.get<WhyAnswer>(`/v1/containers/${id}/why`);
  }

  async remove(id: string, force = false): Promise<void> {
    await this.delete(`/v1/containers/${id}${force ? '?force=1' : ''}`);
  }

  async history(id: string): Promise<readonly EventLine[]> {
    return (await this.get<{ events: EventLine[] }>(`/v1/containers/${id}/history`)).events;
  }

  /** Everything that the container has printed, with its records joined. */
  async output(id: string): Promise<string> {
    const records = (await this.lines('GET', `/v1/containers/${id}/logs`)) as { text?: string; isPartial?: true }[];
    return records.map(({ text = '', isPartial }) => text + (isPartial === true ? '' : '\n')).join('');
  }

  async untilPrinted(id: string, text: string): Promise<void> {
    while (!(await this.output(id)).includes(text)) await sleepFor(10);
  }

  async untilPhase(id: string, phase: string): Promise<ContainerAnswer> {
    for (;;) {
      const found = await this.inspect(id);
      if (found.phase === phase) return found;
      await sleepFor(10);
    }
  }

  /** Waits until the run is clean, so that nothing of it is left on the host. */
  async untilClean(id: string): Promise<void> {
    for (;;) {
      const events = await this.history(id);
      if (events.filter(({ type }) => type === 'container.cleaned').length > 0) return;
      await sleepFor(10);
    }
  }

  /** Sends a request and goes away when told, without having had an answer. */
  async abandon(method: string, path: string, body: object, gone: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const outgoing = openRequest({ socketPath: this.#socket, method, path, agent: false, signal: gone });
    outgoing.once('error', () => resolve());
    outgoing.end(JSON.stringify(body));
    await promise;
  }

  /** Runs a command in a container and collects what it prints, or only counts it. */
  async exec(
    id: string,
    args: readonly string[],
    body: Partial<ExecBody> = {},
    input?: string,
    options: { readonly isCounting?: boolean } = {},
  ): Promise<ExecOutcome> {
    const lines = [
      { args, ...body },
      ...(input === undefined ? [] : [{ kind: 'input', data: Buffer.from(input).toString('base64') }]),
    ];
    const stream = Readable.from([lines.map((line) => `${JSON.stringify(line)}\n`).join('')]);
    const answer = await this.#send('POST', `/v1/containers/${id}/exec`, stream);
    const outcome = { code: -1, stdout: '', stderr: '', bytes: 0, isTimedOut: false, isOutputCut: false };
    for await (const line of createInterface({ input: answer })) {
      const told = JSON.parse(line) as ExecOutput | { error: ConstructorParameters<typeof ApiError>[1] };
      if ('error' in told) throw new ApiError(answer.statusCode ?? 0, told.error);
      if (told.kind === 'exit') Object.assign(outcome, told);
      if (told.kind !== 'output') continue;
      const data = Buffer.from(told.data, 'base64');
      outcome.bytes += data.length;
      if (options.isCounting !== true) outcome[told.stream] += data.toString();
    }
    return outcome;
  }

  /** Sends a request whose answer is NDJSON, and reads it to its end. */
  async lines(method: string, path: string, body?: Readable): Promise<unknown[]> {
    const text = await textOf(await this.#send(method, path, body));
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown);
  }

  /** Opens a request and leaves it open; the caller reads the answer, or does not. */
  open(method: string, path: string, body?: Readable): Promise<IncomingMessage> {
    return this.#send(method, path, body);
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.#send(method, path, body === undefined ? undefined : JSON.stringify(body));
    const parsed = JSON.parse(await textOf(answer)) as T & { error?: ConstructorParameters<typeof ApiError>[1] };
    if (parsed.error !== undefined) throw new ApiError(answer.statusCode ?? 0, parsed.error);
    return parsed;
  }

  #send(method: string, path: string, body?: string | Readable): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = openRequest({ socketPath: this.#socket, method, path, agent: false }, resolve);
    outgoing.once('error', reject);
    if (typeof body === 'object') body.pipe(outgoing);
    else outgoing.end(body);
    return promise;
  }
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  message.setEncoding('utf8');
  for await (const chunk of message as AsyncIterable<string>) text += chunk;
  return text;
}
