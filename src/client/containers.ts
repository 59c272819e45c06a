import type {
  ContainerAnswer,
  CreateBody,
  EventLine,
  ExecBody,
  InspectAnswer,
  KillBody,
  LogRecord,
  StopAnswer,
  StopBody,
  WhyAnswer,
} from '../api/berth/index.ts';
import { answerTo, ask, open, pathOf } from './exchange.ts';
import type { Door, Order } from './exchange.ts';
import { openExec } from './exec.ts';
import type { ExecSession } from './exec.ts';
import { readLines } from './lines.ts';

/** Aborting `signal` ends the wait only: what was begun goes on in the daemon. */
export interface Waiting {
  readonly signal?: AbortSignal;
}

export interface LogOptions extends Waiting {
  /** Goes on until the run has exited and all of it was read. */
  readonly isFollowing?: boolean;
  /** Only the last lines. */
  readonly tail?: number;
  /** Unix ms. */
  readonly since?: number;
}

type Exit = NonNullable<ContainerAnswer['exit']>;

/** The verbs, by a container's name, its id, or a prefix of its id that fits one only. */
export interface Containers {
  list(options?: Waiting): Promise<readonly ContainerAnswer[]>;
  create(body: CreateBody, options?: Waiting): Promise<ContainerAnswer>;
  inspect(id: string, options?: Waiting): Promise<InspectAnswer>;
  start(id: string, options?: Waiting): Promise<ContainerAnswer>;
  stop(id: string, body?: StopBody, options?: Waiting): Promise<StopAnswer>;
  kill(id: string, body?: KillBody, options?: Waiting): Promise<void>;
  pause(id: string, options?: Waiting): Promise<void>;
  resume(id: string, options?: Waiting): Promise<void>;
  /** The end of the run that is going on, or of the last one. */
  wait(id: string, options?: Waiting): Promise<Exit>;
  remove(id: string, options?: Waiting & { readonly isForced?: boolean }): Promise<void>;
  why(id: string, options?: Waiting): Promise<WhyAnswer>;
  /** Also of one that was removed, by its whole id. */
  history(id: string, options?: Waiting): Promise<readonly EventLine[]>;
  logs(id: string, options?: LogOptions): AsyncGenerator<LogRecord, void>;
  /** Aborting `signal`, or closing the session, kills the command. */
  exec(id: string, body: ExecBody, options?: Waiting): Promise<ExecSession>;
}

export function containersOf(door: Door): Containers {
  const verb = <T>(id: string, name: string, body: object | undefined, { signal }: Waiting): Promise<T> =>
    ask<T>(door, { method: 'POST', path: pathOf('containers', id, name), signal }, body);
  const look = <T>(path: string, { signal }: Waiting): Promise<T> => ask<T>(door, { method: 'GET', path, signal });
  const only =
    (name: string) =>
    async (id: string, options: Waiting = {}): Promise<void> =>
      void (await verb(id, name, undefined, options));
  return {
    list: async (options = {}) => {
      const { containers } = await look<{ readonly containers: ContainerAnswer[] }>(pathOf('containers'), options);
      return containers;
    },
    create: (body, { signal } = {}) => ask(door, { method: 'POST', path: pathOf('containers'), signal }, body),
    inspect: (id, options = {}) => look(pathOf('containers', id), options),
    start: (id, options = {}) => verb(id, 'start', undefined, options),
    stop: (id, body = {}, options = {}) => verb(id, 'stop', body, options),
    kill: async (id, body = {}, options = {}) => void (await verb(id, 'kill', body, options)),
    pause: only('pause'),
    resume: only('resume'),
    wait: async (id, options = {}) => (await verb<{ readonly exit: Exit }>(id, 'wait', undefined, options)).exit,
    remove: async (id, { isForced = false, signal } = {}) => {
      const query = isForced ? { force: 1 } : {};
      await ask(door, { method: 'DELETE', path: pathOf('containers', id), query, signal });
    },
    why: (id, options = {}) => look(pathOf('containers', id, 'why'), options),
    history: async (id, options = {}) => {
      const path = pathOf('containers', id, 'history');
      return (await look<{ readonly events: EventLine[] }>(path, options)).events;
    },
    logs: (id, options = {}) => readLogs(door, id, options),
    exec: (id, body, { signal } = {}) => openExec(door, id, body, signal),
  };
}

async function* readLogs(
  door: Door,
  id: string,
  { isFollowing = false, tail, since, signal }: LogOptions,
): AsyncGenerator<LogRecord, void> {
  const query = {
    follow: isFollowing ? 1 : undefined,
    tail,
    since: since === undefined ? undefined : Math.floor(since),
  };
  const order: Order = { method: 'GET', path: pathOf('containers', id, 'logs'), query, signal };
  const request = open(door, order);
  const answered = answerTo(door, request, signal);
  request.end();
  yield* readLines<LogRecord>(door, await answered, signal);
}
