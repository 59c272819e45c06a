import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BERTH = fileURLToPath(new URL('../../../berth', import.meta.url));

export interface BerthOptions {
  readonly socket?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Everything that its standard input has; left out: nothing. `open`: the test writes to it. */
  readonly input?: Uint8Array | 'open';
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The real program as a child process, with what it says as it says it. */
export class Berth {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  readonly #said = { stdout: Buffer.alloc(0) as Buffer, stderr: Buffer.alloc(0) as Buffer };
  #wake: (() => void)[] = [];
  #isOver = false;

  constructor(args: readonly string[], { socket = '/nonexistent/berth.sock', env = {}, input }: BerthOptions = {}) {
    this.child = spawn(BERTH, args, {
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8', BERTH_SOCKET: socket, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name]?.on('data', (data: Buffer) => {
        this.#said[name] = Buffer.concat([this.#said[name], data]);
        this.#tell();
      });
    }
    this.child.stdin?.on('error', () => undefined); // it may end before it has read everything
    if (input instanceof Uint8Array) this.child.stdin?.end(input);
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => {
        this.#isOver = true;
        this.#tell();
        resolve({ code, stdout: this.#said.stdout, stderr: this.stderr });
      });
    });
  }

  get stdout(): Buffer {
    return this.#said.stdout;
  }

  get stderr(): string {
    return this.#said.stderr.toString('utf8');
  }

  /** Resolves when it has said so much; rejects when it ends without. */
  async until(isSaid: (berth: this) => boolean): Promise<void> {
    while (!isSaid(this)) {
      if (this.#isOver) throw new Error(`it ended without a word of that: ${this.stderr}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #tell(): void {
    const woken = this.#wake;
    this.#wake = [];
    for (const wake of woken) wake();
  }
}

export function berth(args: readonly string[], options: BerthOptions = {}): Promise<Outcome> {
  return new Berth(args, options).ended;
}
