import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function start(command: Command, cli: Cli): void {
  command
    .description('Starts containers that were created or have exited.')
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .action(async (names: readonly string[]) => {
      await forEachName(cli, names, (name) => cli.client.containers.start(name));
    });
}
