import { Command } from 'commander';
import { connect } from '../client/index.ts';
import { errnoOf, messageOf } from '../base/errors.ts';
import type { Cli } from './cli.ts';
import { tell } from './cli.ts';
import { findCommand } from './command-list.ts';
import type { CommandEntry } from './command-list.ts';
import { tellFailure, usageError } from './failure.ts';
import { overview } from './overview.ts';
import { ownVersion } from './own-version.ts';
import { Output } from './print/output.ts';

/** Runs one command line, and ends the process with its exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const cli: Cli = {
    client: connect({ name: 'cli' }),
    out: new Output(process.stdout),
    err: new Output(process.stderr),
    exitCode: 0,
  };
  cli.out.onGone = (error) => void leave(cli, error);
  const [name = '--help', ...rest] = argv;
  try {
    await dispatch(cli, name, rest);
  } catch (error) {
    const usage = findCommand(name) === undefined ? 'berth --help' : `berth ${name} --help`;
    cli.exitCode = await tellFailure(cli, error, usage);
  }
  await Promise.all([cli.out.flushed(), cli.err.flushed()]);
  process.exit(cli.exitCode);
}

async function leave(cli: Cli, error: Error): Promise<void> {
  if (errnoOf(error) === 'EPIPE') process.exit(0); // whoever reads has seen enough
  await tell(cli, `Cannot write the output: ${messageOf(error)}`);
  process.exit(1);
}

async function dispatch(cli: Cli, name: string, rest: readonly string[]): Promise<void> {
  if (name === 'help' && rest[0] !== undefined) return dispatch(cli, rest[0], ['--help']);
  if (['help', '--help', '-h'].includes(name)) return cli.out.write(overview());
  if (['--version', '-V'].includes(name)) return cli.out.line(`berth ${ownVersion()}`);
  const entry = findCommand(name);
  if (entry === undefined) throw await unknownCommand(name);
  const command = new Command(`berth ${name}`);
  await describe(cli, command, entry);
  await command.parseAsync(rest, { from: 'user' });
}

async function describe(cli: Cli, command: Command, { summary, load }: CommandEntry): Promise<void> {
  const nothing = (): void => undefined; // `tellFailure` has the word
  command
    .summary(summary)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void cli.out.write(text), writeErr: nothing, outputError: nothing })
    .helpOption('-h, --help', 'show this');
  const describeCommand = await load();
  describeCommand(command, cli);
}

/** What other engines call things, and what it is here; nothing: it is not there yet, and no near word means it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['attach', 'build', 'commit', 'cp', 'push', 'rename', 'restart', 'stats', 'tag', 'update'].map((word) => [
      word,
      '',
    ]),
  ),
  container: '',
  delete: 'rm',
  import: 'load',
  info: 'doctor',
  list: 'ps',
  ls: 'ps',
  remove: 'rm',
  top: 'exec NAME ps',
  unpause: 'resume',
};

async function unknownCommand(name: string): Promise<Error> {
  const { nearest } = await import('../base/decode.ts');
  const { COMMAND_GROUPS } = await import('./command-list.ts');
  const names = COMMAND_GROUPS.flatMap(({ commands }) => commands.map((each) => each.name));
  const near = ELSEWHERE[name] ?? nearest(name, names);
  const hint = near === undefined || near === '' ? 'see "berth --help"' : `did you mean "${near}"?`;
  return usageError(`Cannot do "${name}": there is no such command, ${hint}`);
}
