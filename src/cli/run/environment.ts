import { readFileSync } from 'node:fs';
import { BerthError, isMissing, messageOf } from '../../base/errors.ts';

/**
 * The entries for a container: those of the files first, so that the others win. A key without a value takes that of
 * whoever asks, and is left out where there is none.
 */
export function environmentOf(
  files: readonly string[],
  entries: readonly string[],
  own: NodeJS.ProcessEnv = process.env,
): string[] {
  return [...files.flatMap(readFile), ...entries].flatMap((entry) => {
    if (entry.includes('=')) return [entry];
    const value = own[entry];
    return value === undefined ? [] : [`${entry}=${value}`];
  });
}

/** One entry a line; lines that are empty or begin with `#` say nothing. */
function readFile(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  } catch (error) {
    const why = isMissing(error) ? 'there is no such file' : messageOf(error);
    const field = '--env-file';
    throw new BerthError('InvalidArgument', `Cannot read ${field} "${file}": ${why}`, { field, cause: error });
  }
}
