import { spawn } from 'node:child_process';
import { createReadStream, statSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { BerthError, isMissing, messageOf } from '../../base/errors.ts';
import { usageError } from '../failure.ts';

export interface Archive {
  readonly content: Readable;
  /** Undefined when nobody can tell before the end. */
  readonly sizeBytes: number | undefined;
}

/**
 * The tar of a file, of a folder or of standard input.
 * @throws BerthError NotFound, or InvalidArgument when it is neither file nor folder
 */
export function openArchive(source: string): Archive {
  if (source === '-') {
    if (process.stdin.isTTY) throw usageError('Cannot load an image from a terminal: name a file or a folder');
    return { content: process.stdin, sizeBytes: undefined };
  }
  try {
    const found = statSync(source);
    if (found.isDirectory()) return { content: tarOf(source), sizeBytes: undefined };
    return { content: createReadStream(source), sizeBytes: found.isFile() ? found.size : undefined };
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new BerthError('NotFound', `Cannot load "${source}": there is no such file or folder`, { cause: error });
  }
}

/** What tar prints, which fails when tar does. */
function tarOf(folder: string): Readable {
  const output = new PassThrough();
  const args = ['--create', '--numeric-owner', '--xattrs', '--sparse', '--directory', folder, '--file=-', '.'];
  const child = spawn('tar', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-4_096)));
  child.stdout.pipe(output, { end: false });
  child.once('error', (error) => output.destroy(new Error(`tar cannot be run: ${messageOf(error)}`, { cause: error })));
  child.once('close', (code) => {
    if (code === 0) output.end();
    else output.destroy(new Error(`tar failed: ${said.trim()}`));
  });
  output.once('close', () => child.kill());
  return output;
}
