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
    if (this.#hanging.has(path)) throw this.#hangs(path);
    const child = this.#children.spawn('/bin/sh', ['-c', LOOK, 'berth-look', path], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const closed = new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve);
      child.once('error', reject);
    });
    const answer = await orLate(closed, ANSWER_WITHIN_MS, signal);
    if (answer === LATE) {
      child.kill('SIGKILL');
      this.#hanging.set(
        path,
        closed.finally(() => this.#hanging.delete(path)),
      );
      throw this.#hangs(path);
    }
    if (answer !== 0) return undefined;
    const [type = '', ...rest] = output.split('\n');
    const kind = type === 'directory' ? 'folder' : type.includes('regular') ? 'file' : 'other';
    return { kind, path: rest.join('\n').replace(/\n$/, '') };
  }

  #hangs(path: string): BerthError {
    return new BerthError('DeadlineExceeded', `Cannot look at "${path}": its file system does not answer`);
  }
}

/** First line: what it is; the rest: where it really is. A name may hold line ends, so it comes last. */
const LOOK = 'stat -L -c %F -- "$1" && readlink -f -- "$1"';

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
