import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import type { ContainerAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';
import { describeStatus } from '../print/status.ts';
import { tableLines } from '../print/table.ts';
import { ago } from '../print/time.ts';
import { shorten } from '../print/width.ts';

interface PsFlags {
  readonly all?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly trunc: boolean;
}

const LONGEST_COMMAND = 30;

export function ps(command: Command, cli: Cli): void {
  command
    .description('Lists containers, the newest first.')
    .usage('[options]')
    .option('-a, --all', 'also those that have exited or were never started')
    .option('-q, --quiet', 'print ids only')
    .option('--no-trunc', 'whole ids and commands')
    .option('--json', 'print them as one JSON array')
    .action((flags: PsFlags) => list(cli, flags));
}

async function list({ client, out }: Cli, { all, json, quiet, trunc }: PsFlags): Promise<void> {
  const containers = (await client.containers.list())
    .filter(({ phase }) => all === true || !['exited', 'created'].includes(phase))
    .toSorted((a, b) => b.createdAt - a.createdAt);
  const idOf = ({ id }: ContainerAnswer): string => (trunc ? shortId(id) : id);
  if (json === true) return out.json(containers);
  if (quiet === true) return out.lines(containers.map(idOf));
  const rows = containers.map((container) => [
    idOf(container),
    container.name,
    container.image.name,
    commandOf(container, trunc ? LONGEST_COMMAND : Infinity),
    describeStatus(container),
    ago(container.createdAt),
  ]);
  return out.lines(tableLines(['ID', 'NAME', 'IMAGE', 'COMMAND', 'STATUS', 'CREATED'], rows));
}

function commandOf({ command }: ContainerAnswer, width: number): string {
  return shorten(neutralise(command.join(' ')), width);
}
