import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
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
        'A stop goes on when you do not wait for it; asking again can only bring the kill forward.',
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
        const words = describeStop(await cli.client.containers.stop(container, body));
        if (words !== undefined) await tell(cli, `${container}: ${words}`);
      });
    });
}

function readGrace(text: string): number | 'never' {
  return text === 'never' ? text : duration('--time')(text);
}
