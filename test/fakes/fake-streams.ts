import type { AttachOptions, AttachStream, OutputChunk, TerminalSize } from '../../src/engine/ports.ts';

interface FakeClient {
  readonly chunks: OutputChunk[];
  isOver: boolean;
  wake: () => void;
}

/** The standard streams of a run in memory, and whoever is attached to them. */
export class FakeStreams {
  readonly received: string[] = [];
  size: TerminalSize | undefined;
  readonly #endsWithFirstClient: boolean;
  readonly #onInput: (text: string | undefined) => void;
  readonly #clients = new Set<FakeClient>();
  #hasInputEnded = false;

  /** @param onInput hears what is written, and of its end */
  constructor(endsWithFirstClient: boolean, onInput: (text: string | undefined) => void) {
    this.#endsWithFirstClient = endsWithFirstClient;
    this.#onInput = onInput;
  }

  get clients(): number {
    return this.#clients.size;
  }

  print(text: string, stream: OutputChunk['stream'] = 'stdout'): void {
    for (const client of this.#clients) {
      client.chunks.push({ stream, data: Buffer.from(text) });
      client.wake();
    }
  }

  attach({ hasInput, hasOutput }: AttachOptions): AttachStream {
    const client: FakeClient = { chunks: [], isOver: !hasOutput, wake: () => undefined };
    let isWriting = hasInput;
    if (hasOutput) this.#clients.add(client);
    const closeInput = (): void => {
      if (isWriting && this.#endsWithFirstClient) this.#endInput();
      isWriting = false;
    };
    return {
      output: outputOf(client),
      write: (data) => {
        if (isWriting && !this.#hasInputEnded) this.#take(Buffer.from(data).toString());
        return Promise.resolve();
      },
      closeInput,
      [Symbol.dispose]: () => {
        closeInput();
        this.#clients.delete(client);
        end(client);
      },
    };
  }

  /** The run is over, or the daemon that was connected is gone. */
  end(): void {
    for (const client of this.#clients) end(client);
    this.#clients.clear();
  }

  #take(text: string): void {
    this.received.push(text);
    this.#onInput(text);
  }

  #endInput(): void {
    if (this.#hasInputEnded) return;
    this.#hasInputEnded = true;
    this.#onInput(undefined);
  }
}

function end(client: FakeClient): void {
  client.isOver = true;
  client.wake();
}

async function* outputOf(client: FakeClient): AsyncGenerator<OutputChunk, void> {
  for (;;) {
    yield* client.chunks.splice(0);
    if (client.isOver && client.chunks.length === 0) return;
    if (client.chunks.length === 0) await new Promise<void>((resolve) => (client.wake = resolve));
  }
}
