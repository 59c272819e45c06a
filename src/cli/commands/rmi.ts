import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function rmi(command: Command, cli: Cli): void {
  command
    .description('Removes names of images. An image goes with its last name, unless a container uses it.')
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .action(async (names: readonly string[]) => {
      await forEachName(cli, names, (name) => cli.client.images.remove(name));
    });
}
