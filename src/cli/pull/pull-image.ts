import { BerthError } from '../../base/errors.ts';
import type { ImageAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { credentialsFor } from '../credentials/credentials.ts';
import { PullScreen } from './screen.ts';

/**
 * Pulls an image with what Docker's configuration has for its registry, and shows how far it is.
 * @throws BerthError as the daemon says
 */
export async function pullImage(cli: Cli, name: string, { isQuiet = false } = {}): Promise<ImageAnswer> {
  const auth = await credentialsFor(cli, name);
  using screen = isQuiet ? undefined : new PullScreen(cli.err);
  for await (const line of cli.client.images.pull(name, { auth })) {
    if (line.kind === 'image') return line.image;
    screen?.show(line);
  }
  throw new BerthError('Internal', `Cannot pull "${name}": the daemon did not say what came of it`);
}
