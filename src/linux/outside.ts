import { whenAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import type { Children } from './children.ts';

/** What stands at a path of a file system that berth did not make. */
export interface OutsidePath {
  readonly kind: 'folder' | 'file' | 'other';
  /** With every link resolved. */
  readonly path: string;
}

const ANSWER_WITHIN_MS = 5_000;

/**
 * Looks at paths that may hang: a volume on a dead NFS server stops whoever asks, for ever. So a process of its own
 * asks, and is left behind when it does not come back; a path that hangs already is not asked for again.
 */
export class Outside {
  readonly #children: Children;
  readonly #hanging = new Map<string, Promise<unknown>>();

  constructor(children: Children) {
    this.#children = children;
  }

  /** Paths with a process stuck on them now. */
  get hanging(): string[] {
    return [...this.#hanging.keys()];
  }

  /**
   * @returns undefined when nothing is there
   * @throws BerthError DeadlineExceeded when the file system does not answer within 5 s
   */
  async look(path: string, signal?: AbortSignal): Promise<OutsidePath | undefined> {
    const { code, output } = await this.#ask(LOOK, [path], signal);
    if (code !== 0) return undefined;
    const [type = '', ...rest] = output.toString('utf8').split('\n');
    const kind = type === 'directory' ? 'folder' : type.includes('regular') ? 'file' : 'other';
    return { kind, path: rest.join('\n').replace(/\n$/, '') };
  }

  /**
   * Makes a folder, and those above it. One that is there already is left as it is.
   * @throws BerthError InvalidArgument when it cannot be made; DeadlineExceeded
   */
  async makeFolder(path: string, signal?: AbortSignal): Promise<void> {
    const { code, words } = await this.#ask(MAKE_FOLDER, [path], signal);
    if (code !== 0) throw new BerthError('InvalidArgument', `Cannot make folder "${path}": ${words}`);
  }

  /**
   * The beginning of a plain file, links followed.
   * @returns undefined when there is none that can be read
   * @throws BerthError DeadlineExceeded
   */
  async read(path: string, limitBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { code, output } = await this.#ask(READ, [path, String(limitBytes)], signal);
    return code === 0 ? output : undefined;
  }

  /** @param args the path first */
  async #ask(script: string, args: readonly [string, ...string[]], signal: AbortSignal | undefined): Promise<Answer> {
    const [path] = args;
    if (this.#hanging.has(path)) throw this.#hangs(path);
    const child = this.#children.spawn('/bin/sh', ['-c', script, 'berth-look', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = collect(child.stdout);
    const words = collect(child.stderr);
    const closed = new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve);
      child.once('error', reject);
    });
    const code = await orLate(closed, ANSWER_WITHIN_MS, signal);
    if (code !== LATE) return { code, output: output(), words: words().toString('utf8').trim() };
    child.kill('SIGKILL');
    this.#hanging.set(
      path,
      closed.finally(() => this.#hanging.delete(path)),
    );
    throw this.#hangs(path);
  }

  #hangs(path: string): BerthError {
    return new BerthError('DeadlineExceeded', `Cannot look at "${path}": its file system does not answer`);
  }
}

interface Answer {
  readonly code: number | null;
  readonly output: Buffer;
  /** What it said of a failure. */
  readonly words: string;
}

function collect(stream: NodeJS.ReadableStream | null): () => Buffer {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
}

/** First line: what it is; the rest: where it really is. A name may hold line ends, so it comes last. */
const LOOK = 'stat -L -c %F -- "$1" && readlink -f -- "$1"';

const MAKE_FOLDER = 'umask 022 && mkdir -p -- "$1"';

/** What is no plain file is not opened: a FIFO would wait, and to open a device does something to it. */
const READ = 'test -f "$1" && head -c "$2" -- "$1"';

const LATE = Symbol('late');

async function orLate<T>(promise: Promise<T>, ms: number, signal: AbortSignal | undefined): Promise<T | typeof LATE> {
  const { promise: late, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(() => resolve(LATE), ms);
  using _ = whenAborted(signal, () => resolve(LATE));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
