import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';
import { pullImage } from '../pull/pull-image.ts';

export function pull(command: Command, cli: Cli): void {
  command
    .description(
      'Gets an image from its registry, or from a mirror of that, and prints its name and digest. Who is logged in with ' +
        'Docker is so here: credentials come from ~/.docker/config.json and its helpers.',
    )
    .usage('[options] NAME[:TAG|@DIGEST]')
    .argument('<name>', 'name of an image; without a tag: latest')
    .option('-q, --quiet', 'do not show how far it is')
    .option('--json', 'print the image as JSON')
    .action(async (name: string, { quiet, json }: { readonly quiet?: true; readonly json?: true }) => {
      const image = await pullImage(cli, name, { isQuiet: quiet === true });
      if (json === true) return cli.out.json(image);
      const lines = [...image.names.slice(0, 1), ...image.digests.slice(0, 1)];
      return cli.out.lines((lines.length === 0 ? [image.id] : lines).map(neutralise));
    });
}
