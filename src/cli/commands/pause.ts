import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function pause(command: Command, cli: Cli): void {
  command
    .description('Freezes all processes of running containers until they are resumed or stopped.')
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .action(async (names: readonly string[]) => {
      await forEachName(cli, names, (name) => cli.client.containers.pause(name));
    });
}
