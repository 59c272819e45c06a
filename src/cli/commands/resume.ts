import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function resume(command: Command, cli: Cli): void {
  command
    .description('Lets paused containers go on.')
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .action(async (names: readonly string[]) => {
      await forEachName(cli, names, (name) => cli.client.containers.resume(name));
    });
}
