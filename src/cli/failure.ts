import { CommanderError } from 'commander';
import { ERROR_TABLE } from '../api/error-table.ts';
import { BerthError, errorCodeOf, messageOf } from '../base/errors.ts';
import type { Cli } from './cli.ts';
import { tell } from './cli.ts';

const USAGE_EXIT = 2;

/** A command line that does not make sense. */
export function usageError(message: string): BerthError {
  return new BerthError('InvalidArgument', message);
}

/**
 * Tells of a failure in one line, and returns what the process should exit with.
 * @param usage how to ask for help: `berth run --help`
 */
export async function tellFailure(cli: Pick<Cli, 'err'>, error: unknown, usage: string): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // help was asked for and given
    await tell(cli, `${usageMessage(error)}; see "${usage}"`);
    return USAGE_EXIT;
  }
  await tell(cli, messageOf(error));
  return exitCodeOf(error);
}

export function exitCodeOf(error: unknown): number {
  const own = error instanceof BerthError ? error.exitCode : undefined;
  return own ?? ERROR_TABLE[errorCodeOf(error)].exit;
}

/** "error: unknown option '--foo'\n(Did you mean --bar?)" in the words of the house. */
function usageMessage({ message }: CommanderError): string {
  const [first = '', ...others] = message
    .replace(/^error: /, '')
    .replaceAll("'", '"')
    .split('\n');
  const hints = others.filter((line) => line !== '').map((line) => ` ${line}`);
  return `Cannot read the command line: ${first}${hints.join('')}`;
}
