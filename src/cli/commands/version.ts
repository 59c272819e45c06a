import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { ownVersion } from '../own-version.ts';
import { neutralise } from '../print/neutral.ts';
import { tellFailure } from '../failure.ts';

export function version(command: Command, cli: Cli): void {
  const { client, out } = cli;
  command
    .description('Shows the version of this program and that of the daemon.')
    .usage('[options]')
    .option('--json', 'print both as JSON')
    .action(async ({ json }: { readonly json?: true }) => {
      const own = { version: ownVersion(), node: process.version };
      const asked = client.version();
      if (json === true) return out.json({ client: own, daemon: await asked });
      asked.catch(() => undefined); // told below
      await out.line(`client  ${own.version} (Node.js ${own.node})`);
      try {
        const { version: theirs, api, pid, isRecovered } = await asked;
        const state = isRecovered ? '' : ', still recovering';
        await out.line(neutralise(`daemon  ${theirs} (API ${api}, process ${pid}${state})`));
      } catch (error) {
        cli.exitCode = await tellFailure(cli, error, '');
      }
    });
}
