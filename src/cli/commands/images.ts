import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import { formatSize } from '../../base/units.ts';
import type { ImageAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';
import { tableLines } from '../print/table.ts';
import { ago } from '../print/time.ts';

interface ImagesFlags {
  readonly json?: true;
  readonly quiet?: true;
}

export function images(command: Command, { client, out }: Cli): void {
  command
    .description('Lists images, one line for each name.')
    .usage('[options]')
    .option('-q, --quiet', 'print ids only')
    .option('--json', 'print them as one JSON array')
    .action(async ({ json, quiet }: ImagesFlags) => {
      const all = await client.images.list();
      if (json === true) return out.json(all);
      if (quiet === true) return out.lines(all.map(({ id }) => neutralise(id)));
      return out.lines(tableLines(['NAME', 'ID', 'ARCH', 'LAYERS', 'SIZE', 'CREATED'], all.flatMap(rowsOf)));
    });
}

function rowsOf({ names, id, architecture, layers, sizeBytes, createdAt }: ImageAnswer): string[][] {
  const created = createdAt === undefined ? 'unknown' : ago(createdAt);
  const digest = shortId(id.slice(id.indexOf(':') + 1));
  const rest = [digest, architecture, String(layers), formatSize(sizeBytes), created];
  return (names.length === 0 ? ['(no name)'] : names).map((name) => [name, ...rest]);
}
