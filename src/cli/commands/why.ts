import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';

export function why(command: Command, { client, out }: Cli): void {
  command
    .description('Explains in a sentence why a container is as it is, and lists what was found on the host.')
    .usage('[options] NAME')
    .argument('<name>', 'name or id')
    .option('--json', 'print it as JSON')
    .action(async (wanted: string, { json }: { readonly json?: true }) => {
      const answer = await client.containers.why(wanted);
      if (json === true) return out.json(answer);
      const findings = answer.findings.map(({ text }) => `  - ${text}`);
      return out.lines([`${answer.name}: ${answer.summary}`, ...findings].map(neutralise));
    });
}
