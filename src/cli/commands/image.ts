import type { Command } from 'commander';
import { formatSize } from '../../base/units.ts';
import type { ImageAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { usageError } from '../failure.ts';
import { neutralise } from '../print/neutral.ts';

export function image(command: Command, cli: Cli): void {
  command
    .description('Does something with all images at once.')
    .usage('prune [options]')
    .action(() => {
      throw usageError('Cannot tell what to do with images: must be "berth image prune"');
    });
  command
    .command('prune')
    .description('Removes every image that no container uses and that the configuration does not pin.')
    .usage('[options]')
    .option('--json', 'print them as one JSON array')
    .action(async ({ json }: { readonly json?: true }) => {
      const removed = await cli.client.images.prune();
      if (json === true) return cli.out.json(removed);
      await cli.out.lines(removed.map((each) => neutralise(nameOf(each))));
      const bytes = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      if (removed.length > 0) await tell(cli, `${removed.length} removed, ${formatSize(bytes)} of layers`);
    });
}

function nameOf({ names, digests, id }: ImageAnswer): string {
  return names.join(' ') || digests.join(' ') || id;
}
