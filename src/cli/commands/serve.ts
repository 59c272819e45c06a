import type { Command } from 'commander';
import type { Cli } from '../cli.ts';

interface ServeFlags {
  readonly config?: string;
  readonly check?: true;
}

export function serve(command: Command, { out }: Cli): void {
  command
    .description('Runs the daemon until SIGTERM or SIGINT. Containers outlive it. Its log goes to standard error.')
    .usage('[options]')
    .option('--config <file>', 'configuration (default: /etc/berth/config.toml, or none)')
    .option('--check', 'only read the configuration, and say "ok" or what is wrong with it')
    .action(async ({ config: file, check }: ServeFlags) => {
      const daemon = await import('../../daemon/index.ts');
      const config = daemon.readConfig(file);
      if (check !== true) return daemon.serve(config);
      await daemon.rehearse(config);
      return out.line('ok');
    });
}
