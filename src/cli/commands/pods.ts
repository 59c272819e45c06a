import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import type { SandboxAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tableLines } from '../print/table.ts';
import { ago } from '../print/time.ts';

interface PodFlags {
  readonly stop?: string;
  readonly remove?: string;
  readonly json?: true;
  readonly quiet?: true;
}

export function pods(command: Command, { client, out }: Cli): void {
  command
    .description('Lists the pods of kubelets, the newest first. "berth ps" lists the containers in them.')
    .usage('[options]')
    .option('--stop <id>', 'kill the containers of this one and take its network down')
    .option('--remove <id>', 'the same, and remove it with its containers')
    .option('-q, --quiet', 'print ids only')
    .option('--json', 'print them as one JSON array')
    .action(async ({ stop, remove, json, quiet }: PodFlags) => {
      if (remove !== undefined) return client.sandboxes.remove(remove);
      if (stop !== undefined) return client.sandboxes.stop(stop);
      const all = (await client.sandboxes.list()).toSorted((a, b) => b.createdAt - a.createdAt);
      if (json === true) return out.json(all);
      if (quiet === true) return out.lines(all.map(({ id }) => id));
      return out.lines(
        tableLines(['ID', 'NAMESPACE', 'POD', 'STATE', 'ADDRESS', 'CONTAINERS', 'CREATED'], all.map(rowOf)),
      );
    });
}

function rowOf({ id, name, pod, phase, network, addresses, containers, createdAt }: SandboxAnswer): string[] {
  return [
    shortId(id),
    pod?.namespace ?? '',
    pod?.name ?? name,
    phase,
    addresses[0] ?? `(${network})`,
    String(containers.length),
    ago(createdAt),
  ];
}
