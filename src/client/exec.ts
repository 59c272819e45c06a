import type { ExecBody, ExecInput, ExecOutput } from '../api/berth/index.ts';
import { answerTo, open, pathOf, write } from './exchange.ts';
import type { Door } from './exchange.ts';
import { readLines } from './lines.ts';

/** What a command tells of itself; `exit` is the last of it. */
export type ExecEvent = Exclude<ExecOutput, { kind: 'taken' }>;

/** A command that runs in a container: the answer's lines tell of it while the request's lines steer it. */
export interface ExecSession extends Disposable {
  /** Must be read, or input is not taken either. Leaving the loop before its end kills the command. */
  readonly output: AsyncGenerator<ExecEvent, void>;
  /** Resolves when there is room for more. What comes after the command's end is dropped. */
  write(data: Uint8Array): Promise<void>;
  closeInput(): Promise<void>;
  /** Takes effect at once, whatever input still waits for the command. */
  signal(name: string): Promise<void>;
}

/** Input under way: little enough that a signal never stands in line behind what the command does not read. */
const WINDOW_BYTES = 256 << 10;

export async function openExec(
  door: Door,
  id: string,
  body: ExecBody,
  signal: AbortSignal | undefined,
): Promise<ExecSession> {
  const request = open(door, { method: 'POST', path: pathOf('containers', id, 'exec'), signal, isUpload: true });
  const answered = answerTo(door, request, signal);
  request.write(`${JSON.stringify(body)}\n`);
  const response = await answered;
  const window = new Window();
  const send = (line: ExecInput): Promise<void> => write(request, `${JSON.stringify(line)}\n`);
  return {
    output: eventsOf(readLines<ExecOutput>(door, response, signal), window),
    write: async (data) => {
      await window.take(data.length);
      await send({ kind: 'input', data: Buffer.from(data).toString('base64') });
    },
    closeInput: () => send({ kind: 'end' }),
    signal: (name) => send({ kind: 'signal', signal: name }),
    [Symbol.dispose]: () => void request.destroy(),
  };
}

async function* eventsOf(lines: AsyncIterable<ExecOutput>, window: Window): AsyncGenerator<ExecEvent, void> {
  try {
    for await (const line of lines) {
      if (line.kind === 'taken') window.give(line.bytes);
      else yield line;
    }
  } finally {
    window.give(Infinity); // nobody takes anything any more, so nobody waits
  }
}

class Window {
  #free = WINDOW_BYTES;
  #wake: () => void = () => undefined;

  /** Only one may wait at a time. A piece that is larger than the window takes all of it. */
  async take(bytes: number): Promise<void> {
    while (this.#free <= 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#free -= bytes;
  }

  give(bytes: number): void {
    this.#free += bytes;
    this.#wake();
  }
}
