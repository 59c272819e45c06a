import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError } from './errors.ts';

type FailMode =
  | { readonly kind: 'exit' }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'error' };

/**
 * Places where a test makes the daemon die, wait or fail. `BERTH_FAIL=stop.freeze.after:exit` names one and its mode:
 * `exit` (as abrupt as `kill -9`), `sleep:MS` or `error`. Several are separated by commas. Each fires once.
 */
export interface Failpoints {
  hit(point: string): Promise<void>;
  /** For places that must stay within one turn of the event loop: a sleep blocks the whole loop here. */
  hitSync(point: string): void;
}

const noFailpoints: Failpoints = { hit: () => Promise.resolve(), hitSync: () => undefined };

/** @throws BerthError InvalidArgument when a mode is unknown */
export function parseFailpoints(text: string | undefined): Failpoints {
  if (text === undefined || text === '') return noFailpoints;
  const modes = new Map(text.split(',').map(parseOne));
  return new ArmedFailpoints(modes);
}

function parseOne(text: string): [point: string, mode: FailMode] {
  const [point = '', kind, ms] = text.split(':');
  if (kind === 'exit' || kind === 'error') return [point, { kind }];
  if (kind === 'sleep' && /^\d+$/.test(ms ?? '')) return [point, { kind, ms: Number(ms) }];
  throw new BerthError(
    'InvalidArgument',
    `Cannot read failpoint "${text}": must be POINT:exit, POINT:error or POINT:sleep:MS`,
  );
}

class ArmedFailpoints implements Failpoints {
  readonly #modes: Map<string, FailMode>;

  constructor(modes: Map<string, FailMode>) {
    this.#modes = modes;
  }

  async hit(point: string): Promise<void> {
    const mode = this.#take(point);
    if (mode?.kind === 'sleep') await sleepFor(mode.ms);
    else this.#act(point, mode);
  }

  hitSync(point: string): void {
    const mode = this.#take(point);
    if (mode?.kind === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, mode.ms);
    else this.#act(point, mode);
  }

  #take(point: string): FailMode | undefined {
    const mode = this.#modes.get(point);
    this.#modes.delete(point);
    return mode;
  }

  #act(point: string, mode: FailMode | undefined): void {
    if (mode?.kind === 'exit') process.kill(process.pid, 'SIGKILL');
    if (mode?.kind === 'error') throw new BerthError('Internal', `Cannot go on: failpoint ${point}`);
  }
}
