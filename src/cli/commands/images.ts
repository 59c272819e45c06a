import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import { formatSize } from '../../base/units.ts';
import type { ImageAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';
import { tableLines } from '../print/table.ts';
import { ago } from '../print/time.ts';

interface ImagesFlags {
  readonly digests?: true;
  readonly json?: true;
  readonly quiet?: true;
}

export function images(command: Command, { client, out }: Cli): void {
  command
    .description('Lists images, one line for each name.')
    .usage('[options]')
    .option('-q, --quiet', 'print ids only')
    .option('--digests', 'print digests in full')
    .option('--json', 'print them as one JSON array')
    .action(async ({ json, quiet, digests }: ImagesFlags) => {
      const all = await client.images.list();
      if (json === true) return out.json(all);
      if (quiet === true) return out.lines(all.map(({ id }) => neutralise(id)));
      const rows = all.flatMap((image) => rowsOf(image, digests === true));
      return out.lines(tableLines(['NAME', 'DIGEST', 'ID', 'ARCH', 'LAYERS', 'SIZE', 'CREATED'], rows));
    });
}

/** A digest stands beside the names of its repository; one for which there is no name has a line of its own. */
function rowsOf(image: ImageAnswer, isFull: boolean): string[][] {
  const { names, digests, id, architecture, layers, sizeBytes, createdAt } = image;
  const created = createdAt === undefined ? 'unknown' : ago(createdAt);
  const rest = [hexOf(id, false), architecture, String(layers), formatSize(sizeBytes), created];
  const repositories = new Set(names.map((name) => name.slice(0, name.lastIndexOf(':'))));
  const named = names.map((name) => {
    const own = digests.filter((digest) => digest.startsWith(`${name.slice(0, name.lastIndexOf(':'))}@`));
    return [name, own.map((digest) => hexOf(digest, isFull)).join(' ') || '-', ...rest];
  });
  const others = digests.filter((digest) => !repositories.has(digest.slice(0, digest.indexOf('@'))));
  const unnamed = others.map((digest) => [digest.slice(0, digest.indexOf('@')), hexOf(digest, isFull), ...rest]);
  return named.length + unnamed.length === 0 ? [['(no name)', '-', ...rest]] : [...named, ...unnamed];
}

function hexOf(digest: string, isFull: boolean): string {
  return isFull ? digest.slice(digest.indexOf('@') + 1) : shortId(digest.slice(digest.lastIndexOf(':') + 1));
}
