import { BerthError } from '../base/errors.ts';
import type { Children } from './children.ts';

const DEADLINE_MS = 20_000;
/** What is listed may be the ruleset of a big firewall. */
const LIMIT_BYTES = 64 << 20;

/** The program nft, which speaks to the kernel's nftables in words that people can read and try out. */
export class Nft {
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  /**
   * All of the rules or, if one is wrong, none.
   * @throws BerthError Unavailable with the program's first words, or when there is no such program
   */
  async load(rules: string): Promise<void> {
    const { code, stderr } = await this.#run(['-f', '-'], rules);
    if (code !== 0) throw this.#failure('load rules', code, stderr);
  }

  /**
   * What `nft list …` prints.
   * @returns undefined when there is nothing of that name
   */
  async list(flags: readonly string[], ...what: readonly string[]): Promise<string | undefined> {
    const { code, stdout, stderr } = await this.#run([...flags, 'list', ...what], '');
    if (code === 0) return stdout;
    if (stderr.includes('No such file or directory')) return undefined;
    throw this.#failure(`list ${what.join(' ')}`, code, stderr);
  }

  #run(args: readonly string[], input: string) {
    return this.#children.run('nft', args, { deadlineMs: DEADLINE_MS, limitBytes: LIMIT_BYTES, input });
  }

  #failure(what: string, code: number, stderr: string): BerthError {
    const words = stderr.split('\n').find((line) => line.includes('Error') || line !== '') ?? `exit code ${code}`;
    return new BerthError('Unavailable', `Cannot ${what}: nft says ${JSON.stringify(words)}`);
  }
}
