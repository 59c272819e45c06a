import type { Budget } from './budget.ts';

/** Whiteouts and opaque markers: names that mean what is not there. @see OCI image-spec layer.md, Whiteouts */
export const WHITEOUT = '.wh.';

/** Reads the names that tar prints, one to a line, before it makes each of them: what it makes is what counts. */
export class NameList {
  readonly #budget: Budget;
  #rest = '';
  #previous = '';
  #hasWhiteouts = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get hasWhiteouts(): boolean {
    return this.#hasWhiteouts;
  }

  /** @throws BerthError ResourceExhausted over the budget */
  add(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const name of lines) {
      this.#budget.spendEntries(newParts(name, this.#previous));
      this.#hasWhiteouts ||= name.includes(WHITEOUT);
      this.#previous = name;
    }
  }
}

/** How many files and folders a name can stand for: a folder needs no entry, and one name may have 2,000 of them. */
function newParts(name: string, previous: string): number {
  let shared = 0;
  while (shared < name.length && name[shared] === previous[shared]) shared += 1;
  let parts = 1;
  for (let at = name.indexOf('/', shared); at >= 0 && at < name.length - 1; at = name.indexOf('/', at + 1)) parts += 1;
  return parts;
}
