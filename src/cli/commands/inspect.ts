import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function inspect(command: Command, cli: Cli): void {
  command
    .description('Prints all that is known of containers as one JSON array. Of the environment only the names.')
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .action(async (names: readonly string[]) => {
      await cli.out.json(await forEachName(cli, names, (name) => cli.client.containers.inspect(name)));
    });
}
