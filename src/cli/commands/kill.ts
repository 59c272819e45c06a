import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';
import { signal } from '../run/values.ts';

export function kill(command: Command, cli: Cli): void {
  command
    .description('Sends a signal to the first process of containers. This is no stop: nothing follows from it.')
    .usage('[options] NAME…')
    .argument('<name...>', 'name or id')
    .option('-s, --signal <signal>', 'signal to send (default: KILL)', signal('--signal'))
    .option('--reason <text>', 'why, for the timeline')
    .action(async (names: readonly string[], flags: { readonly signal?: string; readonly reason?: string }) => {
      await forEachName(cli, names, (name) => cli.client.containers.kill(name, flags));
    });
}
