import type { BerthError } from '../base/errors.ts';
import type { AttachOptions, AttachStream, OutputChunk } from '../engine/ports.ts';
import type { StreamReader, ThreadStream } from '../linux/stream-thread.ts';
import { AttachOutput } from './attach-output.ts';

/** Where the streams of one run come from. */
export interface RunSource {
  readonly hasInput: boolean;
  /** Its input ends with the first client that had one. */
  readonly endsWithFirstClient: boolean;
  /** Connects to the monitor: what is printed comes from it. It ends such an input when it loses a connection. */
  connect(reader: StreamReader): Promise<ThreadStream>;
  /** Undefined: the input has ended. `refused`: it goes through the connection. */
  openInput(): ThreadStream | 'refused' | undefined;
  /** Why there is no more output; undefined: the run is over. */
  whyEnded(): BerthError | undefined;
}

interface Client {
  readonly output: AttachOutput | undefined;
  hasInput: boolean;
}

/** As conmon numbers them; stdout is 2. */
const STDERR_CHANNEL = 3;
/** What may be on its way from the thread. It is granted again when it is here: nobody's slowness goes further. */
const CREDIT_BYTES = 4 << 20;
/** In so large parts: each is a message. */
const GRANT_BYTES = 1 << 20;

/**
 * The streams of one run, which all of its clients share. There is one connection to the monitor: made for the first
 * client with output, and always read. When nobody needs it any more it is closed with the next thing that is printed,
 * for it is only then that conmon gives up its own end.
 */
export class RunStreams implements Disposable {
  readonly #source: RunSource;
  readonly #capBytes: number;
  readonly #clients = new Set<Client>();
  #connecting: Promise<ThreadStream> | undefined;
  #connection: ThreadStream | undefined;
  #input: ThreadStream | undefined;
  #isInputRefused = false;
  #hasInputEnded = false;
  #ungrantedBytes = 0;

  constructor(source: RunSource, capBytes: number) {
    this.#source = source;
    this.#capBytes = capBytes;
  }

  /** @throws BerthError Unavailable */
  async attach({ hasInput, hasOutput }: AttachOptions): Promise<AttachStream> {
    const client: Client = {
      output: hasOutput ? new AttachOutput(this.#capBytes) : undefined,
      hasInput: hasInput && this.#source.hasInput && !this.#hasInputEnded,
    };
    this.#clients.add(client); // at once, so that nobody takes what is opened for it for unused
    try {
      if (client.hasInput) this.#openInput();
      if (hasOutput || (client.hasInput && this.#isInputRefused)) await this.#connected();
    } catch (error) {
      this.#leave(client);
      throw error;
    }
    return {
      output: client.output ?? nothing(),
      write: (data) => this.#write(client, data),
      closeInput: () => this.#closeInput(client),
      [Symbol.dispose]: () => this.#leave(client),
    };
  }

  /** Nothing of the run is left: all of its clients are at their end. */
  [Symbol.dispose](): void {
    this.#hasInputEnded = true;
    this.#input?.[Symbol.dispose]();
    this.#input = undefined;
    if (this.#connection !== undefined) this.#disconnect(this.#connection);
    for (const { output } of this.#clients) output?.end();
  }

  #connected(): Promise<ThreadStream> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  async #connect(): Promise<ThreadStream> {
    try {
      const connection: ThreadStream = await this.#source.connect({
        creditBytes: CREDIT_BYTES,
        onData: (data, channel) => this.#onData(connection, data, channel),
        onEnd: () => this.#onEnd(connection),
      });
      this.#connection = connection;
      return connection;
    } catch (error) {
      this.#connecting = undefined;
      throw error;
    }
  }

  #disconnect(connection: ThreadStream): void {
    connection[Symbol.dispose]();
    this.#connection = undefined;
    this.#connecting = undefined;
    this.#ungrantedBytes = 0;
  }

  #onData(connection: ThreadStream, data: Uint8Array, channel: number): void {
    if (this.#connection !== connection) return;
    this.#grant(connection, data.length);
    const chunk: OutputChunk = { stream: channel === STDERR_CHANNEL ? 'stderr' : 'stdout', data };
    for (const { output } of this.#clients) output?.push(chunk);
    if (!this.#isNeeded()) this.#disconnect(connection);
  }

  #grant(connection: ThreadStream, bytes: number): void {
    this.#ungrantedBytes += bytes;
    if (this.#ungrantedBytes < GRANT_BYTES) return;
    connection.grant(this.#ungrantedBytes);
    this.#ungrantedBytes = 0;
  }

  #onEnd(connection: ThreadStream): void {
    if (this.#connection !== connection) return;
    this.#disconnect(connection);
    const error = this.#source.whyEnded();
    for (const { output } of this.#clients) output?.end(error);
  }

  #isNeeded(): boolean {
    const isRead = this.#clients.values().some(({ output }) => output?.isOver === false);
    const endsInput = this.#source.hasInput && this.#source.endsWithFirstClient && !this.#hasInputEnded;
    return isRead || endsInput || (this.#isInputRefused && this.#isWritten());
  }

  #isWritten(): boolean {
    return this.#clients.values().some(({ hasInput }) => hasInput);
  }

  #openInput(): ThreadStream | undefined {
    if (this.#isInputRefused) return this.#connection;
    if (this.#input !== undefined) return this.#input;
    const input = this.#source.openInput();
    if (input === 'refused') this.#isInputRefused = true;
    else this.#input = input;
    return this.#isInputRefused ? this.#connection : this.#input;
  }

  async #write(client: Client, data: Uint8Array): Promise<void> {
    if (!client.hasInput) return;
    const input = this.#openInput();
    const isTaken = await input?.write(data);
    if (isTaken !== false || input !== this.#input) return;
    this.#letGoOfInput(); // nobody has it open; a terminal may be opened again
  }

  #closeInput(client: Client): void {
    if (!client.hasInput) return;
    client.hasInput = false;
    if (this.#source.endsWithFirstClient) this.#endInput();
    else if (!this.#isWritten()) this.#letGoOfInput();
  }

  /** The monitor has it open as well, and lets go of it when a connection is at its end of writing. */
  #endInput(): void {
    this.#hasInputEnded = true;
    for (const client of this.#clients) client.hasInput = false;
    this.#letGoOfInput();
    this.#connected().then(
      (connection) => {
        connection.endWriting();
        if (!this.#isNeeded() && this.#connection === connection) this.#disconnect(connection);
      },
      () => undefined, // without a monitor there is no input either
    );
  }

  #letGoOfInput(): void {
    this.#input?.closeGently();
    this.#input = undefined;
  }

  #leave(client: Client): void {
    this.#closeInput(client);
    this.#clients.delete(client);
    client.output?.end();
  }
}

async function* nothing(): AsyncGenerator<OutputChunk> {
  // it did not ask for any
}
