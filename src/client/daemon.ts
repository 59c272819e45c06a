import type { DebtAnswer, DoctorAnswer, EventLine, VersionAnswer } from '../api/berth/index.ts';
import type { Waiting } from './containers.ts';
import { answerTo, ask, open, pathOf } from './exchange.ts';
import type { Door } from './exchange.ts';
import { readLines } from './lines.ts';

export interface EventOptions extends Waiting {
  /** Events after this number; left out: all that are kept, or with `isFollowing` only what comes from now on. */
  readonly after?: number;
  /** Name or id. */
  readonly container?: string;
  readonly isFollowing?: boolean;
}

/** What concerns the daemon as a whole. */
export interface Daemon {
  version(options?: Waiting): Promise<VersionAnswer>;
  events(options?: EventOptions): AsyncGenerator<EventLine, void>;
  debts(options?: Waiting): Promise<readonly DebtAnswer[]>;
  forgiveDebt(id: string, options?: Waiting): Promise<void>;
  doctor(options?: Waiting): Promise<DoctorAnswer>;
  /** What is to become of a run that lives and belongs to no container. */
  settleForeign(id: string, verb: 'adopt' | 'remove', options?: Waiting): Promise<void>;
}

export function daemonOf(door: Door): Daemon {
  return {
    version: ({ signal } = {}) => ask(door, { method: 'GET', path: pathOf('version'), signal }),
    events: (options = {}) => readEvents(door, options),
    debts: async ({ signal } = {}) => {
      const answer = await ask<{ readonly debts: DebtAnswer[] }>(door, {
        method: 'GET',
        path: pathOf('debts'),
        signal,
      });
      return answer.debts;
    },
    forgiveDebt: async (id, { signal } = {}) =>
      void (await ask(door, { method: 'DELETE', path: pathOf('debts', id), signal })),
    doctor: ({ signal } = {}) => ask(door, { method: 'GET', path: pathOf('doctor'), signal }),
    settleForeign: async (id, verb, { signal } = {}) =>
      void (await ask(door, { method: 'POST', path: pathOf('foreign', id, verb), signal })),
  };
}

async function* readEvents(
  door: Door,
  { after, container, isFollowing = false, signal }: EventOptions,
): AsyncGenerator<EventLine, void> {
  const query = { after, container, follow: isFollowing ? 1 : undefined };
  const request = open(door, { method: 'GET', path: pathOf('events'), query, signal });
  const answered = answerTo(door, request, signal);
  request.end();
  yield* readLines<EventLine>(door, await answered, signal);
}
