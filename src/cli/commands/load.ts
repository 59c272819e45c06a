import type { Command } from 'commander';
import type { ImageAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { openArchive } from '../load/archive.ts';
import { ProgressLine } from '../load/progress.ts';
import { neutralise } from '../print/neutral.ts';

export function load(command: Command, cli: Cli): void {
  command
    .description(
      'Takes in images from a tar (an OCI archive, "docker save", or the files of a root) or from a folder with the ' +
        'same in it, and prints their names, or the id of one without a name.',
    )
    .usage('[options] [FILE|DIR|-]')
    .argument('[source]', 'file, folder, or - for standard input', '-')
    .option('--name <name>', 'name for the files of a root, or for an image that has none')
    .action((source: string, { name }: { readonly name?: string }) => send(cli, source, name));
}

async function send(cli: Cli, source: string, name: string | undefined): Promise<void> {
  const { content } = openArchive(source);
  const progress = new ProgressLine(cli);
  let images: readonly ImageAnswer[] = [];
  try {
    for await (const line of cli.client.images.load(content, name === undefined ? {} : { name })) {
      if (line.kind === 'images') ({ images } = line);
      else await progress.show(line);
    }
  } finally {
    await progress.end();
  }
  await cli.out.lines(images.flatMap(({ names, id }) => (names.length === 0 ? [id] : names)).map(neutralise));
}
