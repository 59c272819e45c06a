import type { Cli } from './cli.ts';
import { tell } from './cli.ts';
import { exitCodeOf } from './failure.ts';
import { messageOf } from '../base/errors.ts';

/**
 * Does the same with several, all at once. Each failure is told, none keeps the others from being tried, and the
 * process exits with the code of the first one, or with 1 when there were several names.
 */
export async function forEachName<T>(
  cli: Cli,
  names: readonly string[],
  work: (name: string) => Promise<T>,
): Promise<readonly T[]> {
  const outcomes = await Promise.allSettled(names.map(work));
  const results: T[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') {
      results.push(outcome.value);
      continue;
    }
    await tell(cli, messageOf(outcome.reason));
    cli.exitCode = names.length === 1 ? exitCodeOf(outcome.reason) : 1;
  }
  return results;
}
