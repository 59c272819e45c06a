import { messageOf } from '../../base/errors.ts';
import { splitRegistry } from '../../base/image-name.ts';
import type { RegistryAuth } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { keyOf, readDockerConfig, storedAuth } from './docker-config.ts';
import { askHelper } from './helper.ts';

/**
 * The credentials that Docker has for the registry of an image. Without them, or when they cannot be had, the registry
 * is asked as by anybody: most images need none.
 */
export async function credentialsFor(
  cli: Pick<Cli, 'err'>,
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<RegistryAuth | undefined> {
  const { registry } = splitRegistry(name);
  try {
    const config = readDockerConfig(env);
    if (config === undefined) return undefined;
    const helper = config.credHelpers[keyOf(registry)] ?? config.credHelpers[registry] ?? config.credsStore;
    const fromHelper = helper === undefined ? undefined : await askHelper(helper, keyOf(registry));
    return fromHelper ?? storedAuth(config, registry);
  } catch (error) {
    await tell(cli, `${messageOf(error)}: going on without credentials`);
    return undefined;
  }
}
