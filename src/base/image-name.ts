/** The registry that a name without one means. */
export const DOCKER_HUB = 'docker.io';

export interface RegistryAndRepository {
  readonly registry: string;
  /** The path within the registry: `library/busybox`. */
  readonly repository: string;
}

/**
 * Tells the registry from the rest of a name. What stands before the first `/` is one when it has a `.`, a `:` or a
 * capital letter, or is `localhost`.
 * @param path a name without its tag and digest
 * @see github.com/distribution/reference: splitDockerDomain in normalize.go
 */
export function splitRegistry(path: string): RegistryAndRepository {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const registry = isHost && first !== `index.${DOCKER_HUB}` ? first : DOCKER_HUB;
  const repository = isHost ? path.slice(slash + 1) : path;
  const isOfficial = registry === DOCKER_HUB && !repository.includes('/');
  return { registry, repository: isOfficial ? `library/${repository}` : repository };
}
