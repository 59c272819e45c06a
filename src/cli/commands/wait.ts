import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { forEachName } from '../each.ts';
import { persist } from '../follow/persist.ts';

export function wait(command: Command, cli: Cli): void {
  const { client, out } = cli;
  command
    .description(
      'Waits until containers have exited, and prints the exit code of each in the order of the names. ' +
        'One that has exited already gives the code of its last run.',
    )
    .usage('NAME…')
    .argument('<name...>', 'name or id')
    .option('--json', 'print what is known of each exit, one a line')
    .action(async (names: readonly string[], { json = false }: { readonly json?: boolean }) => {
      const exits = await forEachName(cli, names, (name) =>
        persist({ client, what: `wait for container "${name}"`, tell: (message) => tell(cli, message) }, () =>
          client.containers.wait(name),
        ),
      );
      for (const exit of exits) await (json ? out.jsonLine(exit) : out.line(String(exit.code)));
    });
}
