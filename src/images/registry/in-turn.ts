import { BerthError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import { pause } from './pause.ts';
import type { RegistryServer } from './server.ts';
import type { RegistrySettings } from './settings.ts';
import { Setback } from './setback.ts';

export interface TurnOptions {
  /** The action and its subject: `Cannot pull "x"`. */
  readonly what: string;
  readonly settings: Pick<RegistrySettings, 'attempts' | 'firstWaitMs' | 'longestWaitMs'>;
  readonly signal: AbortSignal;
}

/**
 * Asks one server after the other until one can help. Those that could not only for the moment are asked again, after a
 * wait that doubles, or as long as they want.
 * @throws BerthError as the last of them says, with the reasons of all; Cancelled
 */
export async function askInTurn<T>(
  servers: readonly RegistryServer[],
  ask: (server: RegistryServer) => Promise<T>,
  options: TurnOptions,
): Promise<T> {
  const { attempts, firstWaitMs, longestWaitMs } = options.settings;
  const setbacks = new Map<RegistryServer, Setback>();
  let asked = servers;
  for (let attempt = 1; ; attempt += 1) {
    for (const server of asked) {
      try {
        return await ask(server);
      } catch (error) {
        if (!(error instanceof Setback)) throw error;
        setbacks.set(server, error);
      }
    }
    asked = asked.filter((server) => mayPass(setbacks.get(server), longestWaitMs));
    if (asked.length === 0 || attempt >= attempts) throw outcome(servers, setbacks, options);
    const wanted = Math.min(...asked.map((server) => setbacks.get(server)?.retryAfterMs ?? 0));
    const ms = Math.min(Math.max(wanted, firstWaitMs * 2 ** (attempt - 1)), longestWaitMs);
    await pause(ms * (1 + Math.random() / 4), options.signal); // not everybody at the same time
  }
}

function mayPass(setback: Setback | undefined, longestWaitMs: number): boolean {
  return setback?.isPassing === true && (setback.retryAfterMs ?? 0) <= longestWaitMs;
}

function outcome(
  servers: readonly RegistryServer[],
  setbacks: ReadonlyMap<RegistryServer, Setback>,
  { what, settings }: TurnOptions,
): BerthError {
  const last = [...setbacks.values()].at(-1);
  const reasons = servers.flatMap((server) => {
    const setback = setbacks.get(server);
    return setback === undefined ? [] : [`${server.host} ${setback.message}${patience(setback, settings)}`];
  });
  if (last === undefined) return new BerthError('Unavailable', `${what}: no server is configured that may be asked`);
  return new BerthError(last.code, `${what}: ${reasons.join('; ')}`, { cause: last });
}

function patience({ isPassing, retryAfterMs }: Setback, { attempts, longestWaitMs }: TurnOptions['settings']): string {
  if (retryAfterMs !== undefined && retryAfterMs > longestWaitMs) {
    return `, and is not to be asked before ${formatDuration(retryAfterMs)}`;
  }
  return isPassing && attempts > 1 ? `, ${attempts} times` : '';
}
