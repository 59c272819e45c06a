import type { Command } from 'commander';
import { BerthError } from '../../base/errors.ts';
import type { Client, WhyAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';

export function why(command: Command, { client, out }: Cli): void {
  command
    .description('Explains in a sentence why a container or a pod is as it is, and lists what was found on the host.')
    .usage('[options] NAME')
    .argument('<name>', 'name or id')
    .option('--json', 'print it as JSON')
    .action(async (wanted: string, { json }: { readonly json?: true }) => {
      const answer = await explain(client, wanted);
      if (json === true) return out.json(answer);
      const findings = answer.findings.map(({ text }) => `  - ${text}`);
      return out.lines([`${answer.name}: ${answer.summary}`, ...findings].map(neutralise));
    });
}

/** A pod, where there is no container of this name. */
async function explain({ containers, sandboxes }: Client, wanted: string): Promise<WhyAnswer> {
  try {
    return await containers.why(wanted);
  } catch (error) {
    if (!(error instanceof BerthError) || error.code !== 'NotFound') throw error;
    const isPod = (await sandboxes.list()).some(({ id, name }) => name === wanted || id.startsWith(wanted));
    if (!isPod) throw error;
    return sandboxes.why(wanted);
  }
}
