import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import type { DebtAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tableLines } from '../print/table.ts';
import { ago } from '../print/time.ts';

interface DebtFlags {
  readonly forgive?: string;
  readonly json?: true;
}

export function debts(command: Command, { client, out }: Cli): void {
  command
    .description('Lists what could not be cleaned yet. Each is tried again, after 5 minutes at the latest.')
    .usage('[options]')
    .option('--forgive <id>', 'never try this one again: you have seen to it yourself')
    .option('--json', 'print them as one JSON array')
    .action(async ({ forgive, json }: DebtFlags) => {
      if (forgive !== undefined) return client.forgiveDebt(forgive);
      const all = await client.debts();
      if (json === true) return out.json(all);
      return out.lines(tableLines(['ID', 'SINCE', 'TRIES', 'CONTAINER', 'WHAT', 'LAST ERROR'], all.map(rowOf)));
    });
}

function rowOf({ id, since, tries, container, kind, what, lastError }: DebtAnswer): string[] {
  return [
    id,
    ago(since),
    String(tries),
    container === undefined ? '' : shortId(container),
    `${kind}: ${what}`,
    lastError,
  ];
}
