import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf, errorCodeOf } from '../../base/errors.ts';
import type { Client } from '../../client/index.ts';

export interface Persistence {
  readonly client: Pick<Client, 'version'>;
  /** What is being waited for, with its subject: `follow container "web"`. */
  readonly what: string;
  readonly patienceMs?: number;
  /** The daemon was heard before. Otherwise one that cannot be reached at the first try is not waited for. */
  readonly wasHeard?: boolean;
  /** Hears of each time that the daemon goes away or is back. */
  tell(message: string): Promise<void>;
}

const PATIENCE_MS = 10_000;
const POLL_MS = 100;
const ANSWER_WITHIN_MS = 1_000;

/**
 * Does work that a daemon's restart may interrupt, and does it again when the daemon is back: containers outlive their
 * daemon, so what is said about them does too.
 * @throws BerthError Unavailable when there is no daemon, or it does not come back; whatever else the work throws
 */
export async function persist<T>(options: Persistence, work: () => Promise<T>): Promise<T> {
  const { patienceMs = PATIENCE_MS } = options;
  let { wasHeard = false } = options;
  let end: number | undefined;
  for (;;) {
    const begunAt = performance.now();
    try {
      return await work();
    } catch (error) {
      if (errorCodeOf(error) !== 'Unavailable' || (!wasHeard && isNobodyThere(error))) throw error;
      wasHeard = true;
      const failedAt = performance.now();
      // A daemon that is there and fails each time gets no more patience than one that is not.
      if (end === undefined || failedAt - begunAt > patienceMs) end = failedAt + patienceMs;
      await untilBack({ ...options, patienceMs }, end, error);
    }
  }
}

/** No connection was made at all, so there was nothing to break off. */
function isNobodyThere(error: unknown): boolean {
  const cause = error instanceof BerthError ? error.cause : error;
  return ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK'].includes(errnoOf(cause) ?? '');
}

async function untilBack(
  { client, what, patienceMs, tell }: Required<Omit<Persistence, 'wasHeard'>>,
  end: number,
  cause: unknown,
): Promise<void> {
  const patience = `${patienceMs / 1_000} s`;
  let wasAway = false;
  while (performance.now() < end) {
    if (await isThere(client)) {
      await (wasAway ? tell('The daemon is back') : sleepFor(POLL_MS));
      return;
    }
    if (!wasAway) await tell(`The daemon went away; the container runs on. Waiting ${patience} for it to come back`);
    wasAway = true;
    await sleepFor(POLL_MS);
  }
  const message = `Cannot ${what} any more: the daemon did not come back within ${patience}; the container runs on`;
  throw new BerthError('Unavailable', message, { cause });
}

async function isThere(client: Pick<Client, 'version'>): Promise<boolean> {
  try {
    await client.version({ signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    return true;
  } catch (error) {
    if (['Unavailable', 'Cancelled'].includes(errorCodeOf(error))) return false;
    throw error;
  }
}
