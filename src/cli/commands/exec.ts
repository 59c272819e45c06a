import { Option } from 'commander';
import type { Command } from 'commander';
import { BerthError } from '../../base/errors.ts';
import type { Cli } from '../cli.ts';
import { runExec } from '../exec/run-exec.ts';
import { environmentOf } from '../run/environment.ts';
import { duration, each } from '../run/values.ts';

interface ExecFlags {
  readonly interactive?: true;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly timeout?: number;
  readonly tty?: true;
}

export function exec(command: Command, cli: Cli): void {
  command
    .description(
      'Runs a command in a running container and exits with its code. SIGINT and SIGTERM are passed on to it; ' +
        'a second Ctrl-C within 2 s kills it.',
    )
    .usage('[options] NAME COMMAND…')
    .argument('<name>', 'name or id')
    .argument('<command...>', 'program and arguments')
    .passThroughOptions()
    .option('-i, --interactive', 'pass standard input on')
    .option(
      '-e, --env <key=value>',
      'set a variable; KEY alone takes your own; repeatable',
      each((text) => text),
    )
    .option('-w, --workdir <dir>', "working directory (default: the container's)")
    .option('-u, --user <user[:group]>', "name or number (default: the container's)")
    .option(
      '--timeout <duration>',
      'kill it and all that it started after this time (default: never)',
      duration('--timeout'),
    )
    .addOption(new Option('-t, --tty').hideHelp())
    .action((name: string, args: readonly string[], { interactive, env, workdir, user, timeout, tty }: ExecFlags) => {
      if (tty === true) {
        throw new BerthError('Unsupported', 'Cannot give it a terminal: -t is not there yet, leave it out');
      }
      return runExec(cli, name, {
        args,
        hasStdin: interactive === true,
        ...(env === undefined ? {} : { env: environmentOf([], env) }),
        ...(workdir === undefined ? {} : { cwd: workdir }),
        ...(user === undefined ? {} : { user }),
        ...(timeout === undefined ? {} : { timeoutMs: timeout }),
      });
    });
}
