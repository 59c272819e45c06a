import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { drawTimeline } from '../timeline/draw.ts';

export function timeline(command: Command, { client, out }: Cli): void {
  command
    .description('Draws the life of a container: each run with every signal, who asked for it, and what came of it.')
    .usage('[options] NAME')
    .argument('<name>', 'name or id; the whole id of one that was removed')
    .option('--json', 'print its events as one JSON array')
    .action(async (wanted: string, { json }: { readonly json?: true }) => {
      const events = await client.containers.history(wanted);
      await (json === true ? out.json(events) : out.lines(drawTimeline(events)));
    });
}
