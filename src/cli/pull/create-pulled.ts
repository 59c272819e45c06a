import { BerthError } from '../../base/errors.ts';
import type { ContainerAnswer, CreateBody } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import type { PullPolicy } from '../run/options.ts';
import { pullImage } from './pull-image.ts';

/**
 * Creates a container, and gets its image first where it has to.
 * @throws BerthError as creating and pulling do
 */
export async function createPulled(cli: Cli, body: CreateBody, policy: PullPolicy): Promise<ContainerAnswer> {
  const { containers } = cli.client;
  if (policy === 'always') await pullImage(cli, body.image);
  try {
    return await containers.create(body);
  } catch (error) {
    if (policy !== 'missing' || !isMissingImage(error)) throw error;
    await tell(cli, `image "${body.image}" is not here: getting it from its registry`);
  }
  await pullImage(cli, body.image);
  return containers.create(body);
}

function isMissingImage(error: unknown): boolean {
  return error instanceof BerthError && error.code === 'NotFound' && error.field === 'image';
}
