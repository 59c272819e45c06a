import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import type { StopBody } from '../../client/index.ts';
import { usageError } from '../failure.ts';
import { persist } from '../follow/persist.ts';
import { forEachName } from '../each.ts';
import { duration, signal } from '../run/values.ts';
import { describeStop } from '../stop-words.ts';

interface StopFlags {
  readonly all?: true;
  readonly time?: number | 'never';
  readonly signal?: string;
  readonly reason?: string;
}

export function stop(command: Command, cli: Cli): void {
  command
    .description(
      'Sends the stop signal, and SIGKILL when the grace is over. Several are stopped at once. ' +
        'A stop goes on when nobody waits for it, and when the daemon is restarted; ' +
        'asking again can only bring the kill forward.',
    )
    .usage('[options] NAME… | --all')
    .argument('[name...]', 'name or id')
    .option('--all', 'every container that runs')
    .option('-t, --time <duration>', "grace, like 500ms or 1m; never: no SIGKILL (default: the container's)", readGrace)
    .option('-s, --signal <signal>', "signal to send (default: the container's)", signal('--signal'))
    .option('--reason <text>', 'why, for the timeline')
    .action(async (given: readonly string[], { all, time, signal: name, reason }: StopFlags) => {
      const names = await namesOf(cli, given, all === true);
      const body = {
        ...(time === undefined ? {} : { graceMs: time }),
        ...(name === undefined ? {} : { signal: name }),
        ...(reason === undefined ? {} : { reason }),
      };
      await forEachName(cli, names, async (container) => {
        const words = await stopOne(cli, container, body);
        if (words !== undefined) await tell(cli, `${container}: ${words}`);
      });
    });
}

const NOT_RUNNING = new Set(['creating', 'created', 'exited', 'removing']);

async function namesOf(cli: Cli, given: readonly string[], isAll: boolean): Promise<readonly string[]> {
  if (isAll !== (given.length === 0)) throw usageError('Cannot tell what to stop: name containers, or give --all');
  if (!isAll) return given;
  const containers = await cli.client.containers.list();
  return containers.filter(({ phase }) => !NOT_RUNNING.has(phase)).map(({ name }) => name);
}

/** A stop outlives its daemon. Asked again, it is joined; when it has ended meanwhile there is nothing more to say. */
async function stopOne(cli: Cli, container: string, body: StopBody): Promise<string | undefined> {
  const begunAt = performance.now();
  let tries = 0;
  const persistence = {
    client: cli.client,
    what: `wait for the stop of container "${container}"`,
    tell: (message: string) => tell(cli, message),
  };
  const answer = await persist(persistence, () => {
    tries += 1;
    return cli.client.containers.stop(container, body);
  });
  if (tries === 1) return describeStop(answer);
  return answer.changed ? describeStop({ ...answer, tookMs: performance.now() - begunAt }) : undefined;
}

function readGrace(text: string): number | 'never' {
  return text === 'never' ? text : duration('--time')(text);
}
