import { readFile, rm } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { BerthError } from '../base/errors.ts';
import type { Children, RunResult } from '../linux/children.ts';

/** Calls an OCI runtime's command line. Every call has a deadline that ends in SIGKILL. */
export class OciCli {
  readonly path: string;
  readonly #children: Children;
  readonly #stateRoot: string;
  /**
   * For every call. crun runs from a copy of itself, so that no container can reach its program; where it is killed
   * while it makes the copy, the copy stays, and should not in the host's /tmp.
   * @see crun src/libcrun/cloned_binary.c
   */
  readonly env: Readonly<Record<string, string>>;

  /** @param stateRoot where the runtime keeps its own state, and `copies` copies of itself; both on a tmpfs */
  constructor(children: Children, path: string, stateRoot: string, copies: string) {
    this.#children = children;
    this.path = path;
    this.#stateRoot = stateRoot;
    this.env = { _LIBCONTAINER_STATEDIR: copies };
  }

  /** The flags that every call must give. @param verb with its own flags and arguments */
  arguments(...verb: readonly string[]): string[] {
    return [...this.globalFlags, ...verb];
  }

  get globalFlags(): readonly string[] {
    return ['--root', this.#stateRoot, '--cgroup-manager', 'cgroupfs'];
  }

  /** Where the runtime keeps what it knows of a container. */
  stateFolder(runtimeId: string): string {
    return `${this.#stateRoot}/${runtimeId}`;
  }

  /** First line of `--version`: `crun version 1.8.1`. */
  async version(): Promise<string> {
    const { stdout } = await this.#children.run(this.path, ['--version'], { deadlineMs: 5_000, env: this.env });
    return stdout.split('\n')[0] ?? '';
  }

  /** @throws BerthError Internal with the runtime's own words when it fails; DeadlineExceeded; Unavailable */
  async call(verb: readonly string[], deadlineMs: number): Promise<RunResult> {
    const result = await this.#children.run(this.path, this.arguments(...verb), { deadlineMs, env: this.env });
    if (result.code === 0) return result;
    throw new BerthError('Internal', `Cannot ${verb.join(' ')} with ${this.path}: ${tidyMessage(result.stderr)}`);
  }

  /** Deleting what the runtime does not know succeeds. */
  async delete(runtimeId: string, deadlineMs: number): Promise<void> {
    const verb = ['delete', '--force', runtimeId];
    const { code, stderr } = await this.#children.run(this.path, this.arguments(...verb), {
      deadlineMs,
      env: this.env,
    });
    if (code === 0 || /does not exist|No such file or directory/.test(stderr)) return;
    throw new BerthError('Internal', `Cannot delete ${runtimeId} with ${this.path}: ${tidyMessage(stderr)}`);
  }

  /** Whether the runtime knows the container: what was killed while it made one may have left half of its state. */
  async knows(runtimeId: string): Promise<boolean> {
    try {
      JSON.parse(await readFile(`${this.stateFolder(runtimeId)}/status`, 'utf8'));
      return true;
    } catch {
      return false;
    }
  }

  /** Removes what is left of its state when it does not know the container any more. */
  async forget(runtimeId: string): Promise<void> {
    await rm(this.stateFolder(runtimeId), { recursive: true, force: true });
  }
}

/** crun puts a time before its messages, colours them on a terminal and repeats the level; nothing of that helps. */
export function tidyMessage(stderr: string): string {
  const lines = stripVTControlCharacters(stderr)
    .split('\n')
    .map((line) => line.replace(/^\S+ \[?(?:conmon|crun)\]?:?\s*/, '').replace(/^(?:\d{4}-\d{2}-\d{2}T\S+:\s*)/, ''))
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.join('; ') || 'it gave no reason';
}
