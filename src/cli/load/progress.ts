import { formatSize } from '../../base/units.ts';
import type { ImportLine } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';

type Progress = Extract<ImportLine, { kind: 'progress' }>;

const CLEAR_LINE = '\r\x1b[K';

/** Shows how far a load is: one line that changes on a terminal, else one line for each step. */
export class ProgressLine {
  readonly #err: Cli['err'];
  #lastStep = '';

  constructor({ err }: Pick<Cli, 'err'>) {
    this.#err = err;
  }

  async show({ step, layer, bytes }: Progress): Promise<void> {
    const what = neutralise(layer === undefined ? step : `${step} ${layer}`);
    if (this.#err.isTerminal) await this.#err.write(`${CLEAR_LINE}${what}: ${formatSize(bytes)}`);
    else if (what !== this.#lastStep) await this.#err.line(what);
    this.#lastStep = what;
  }

  async end(): Promise<void> {
    if (this.#err.isTerminal && this.#lastStep !== '') await this.#err.write(CLEAR_LINE);
  }
}
