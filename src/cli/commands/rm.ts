import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { forEachName } from '../each.ts';

export function rm(command: Command, cli: Cli): void {
  command
    .description('Removes containers that do not run, with their logs and all that they wrote.')
    .usage('[options] NAME…')
    .argument('<name...>', 'name or id')
    .option('-f, --force', 'kill one that runs first, with SIGKILL')
    .action(async (names: readonly string[], { force = false }: { readonly force?: boolean }) => {
      await forEachName(cli, names, (name) => cli.client.containers.remove(name, { isForced: force }));
    });
}
