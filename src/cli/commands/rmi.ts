import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function rmi(command: Command, cli: Cli): void {
  command
    .description('Removes names of images. An image goes with its last name, unless a container uses it.')
    .usage('[options] NAME…')
    .argument('<name...>', 'name, name@digest or id')
    .option('-a, --all', 'remove the images with all their names, even if containers use them: those keep their files')
    .action(async (names: readonly string[], { all = false }: { readonly all?: boolean }) => {
      await forEachName(cli, names, (name) => cli.client.images.remove(name, { isWhole: all }));
    });
}
