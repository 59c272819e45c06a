import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import type { StopBody } from '../../client/index.ts';
import { persist } from '../follow/persist.ts';
import { forEachName } from '../each.ts';
import { duration, signal } from '../run/values.ts';
import { describeStop } from '../stop-words.ts';

interface StopFlags {
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
    .usage('[options] NAME…')
    .argument('<name...>', 'name or id')
    .option('-t, --time <duration>', "grace, like 500ms or 1m; never: no SIGKILL (default: the container's)", readGrace)
    .option('-s, --signal <signal>', "signal to send (default: the container's)", signal('--signal'))
    .option('--reason <text>', 'why, for the timeline')
    .action(async (names: readonly string[], { time, signal: name, reason }: StopFlags) => {
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
