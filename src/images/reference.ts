import { BerthError } from '../base/errors.ts';

/** The name of an image, taken apart. Of tag and digest exactly one is there: a digest says more than a tag beside it. */
type Reference = {
  readonly registry: string;
  /** The path within the registry: `library/busybox`. */
  readonly repository: string;
} & ({ readonly tag: string; readonly digest?: never } | { readonly digest: string; readonly tag?: never });

const DOCKER_HUB = 'docker.io';
const LONGEST_REPOSITORY = 255;
const LONGEST_NAME = 1_024;

const HOST_PART = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const HOST = `(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[a-fA-F0-9:]+\\])`;
const REGISTRY = new RegExp(`^${HOST}(?::[0-9]+)?$`);
const PATH_PART = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const HEX_DIGITS: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/**
 * Reads an image name as Docker does: `busybox` is `docker.io/library/busybox:latest`, and what stands before the first
 * `/` is a registry when it has a `.`, a `:` or a capital letter, or is `localhost`.
 * @throws BerthError InvalidArgument
 * @see github.com/distribution/reference: the grammar in reference.go, splitDockerDomain in normalize.go
 */
function parseReference(text: string): Reference {
  if (text === '') refuse(text, 'it is empty');
  if (text.length > LONGEST_NAME) refuse(`${text.slice(0, 64)}…`, `it is longer than ${LONGEST_NAME} characters`);
  if (/^[0-9a-f]{64}$/.test(text)) refuse(text, '64 hexadecimal digits are an id, not a name');
  const at = text.indexOf('@');
  const [path, tag] = splitTag(at < 0 ? text : text.slice(0, at));
  const { registry, repository } = splitRegistry(path);
  if (!REGISTRY.test(registry)) refuse(text, `registry "${registry}" must be a host, with or without a port`);
  checkRepository(text, repository);
  if (tag !== undefined && !TAG.test(tag)) {
    refuse(text, `tag "${tag}" must be up to 128 letters, digits, "_", "." and "-", and not begin with "." or "-"`);
  }
  if (at < 0) return { registry, repository, tag: tag ?? 'latest' };
  return { registry, repository, digest: checkedDigest(text, text.slice(at + 1)) };
}

/** The full form, which is how names are kept and compared. */
function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** @throws BerthError InvalidArgument */
export function normaliseName(text: string): string {
  return formatReference(parseReference(text));
}

/** A `:` before the last `/` belongs to the registry's port. */
function splitTag(name: string): [path: string, tag: string | undefined] {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
}

function splitRegistry(path: string): { readonly registry: string; readonly repository: string } {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const registry = isHost && first !== `index.${DOCKER_HUB}` ? first : DOCKER_HUB;
  const repository = isHost ? path.slice(slash + 1) : path;
  const isOfficial = registry === DOCKER_HUB && !repository.includes('/');
  return { registry, repository: isOfficial ? `library/${repository}` : repository };
}

function checkRepository(text: string, repository: string): void {
  if (repository.length > LONGEST_REPOSITORY) {
    refuse(text, `its repository is longer than ${LONGEST_REPOSITORY} characters`);
  }
  if (repository.split('/').every((part) => PATH_PART.test(part))) return;
  if (repository !== repository.toLowerCase()) refuse(text, 'its repository must be lowercase');
  refuse(text, 'its repository must be lowercase letters and digits, separated by ".", "_", "__", "-" or "/"');
}

function checkedDigest(text: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(/:(.*)/s);
  const digits = HEX_DIGITS.get(algorithm);
  if (digits === undefined || hex.length !== digits || !/^[0-9a-f]+$/.test(hex)) {
    refuse(text, `"${digest}" is no digest: must be like sha256 and 64 hexadecimal digits, with ":" between them`);
  }
  return digest;
}

function refuse(text: string, fact: string): never {
  throw new BerthError('InvalidArgument', `Cannot read image name "${text}": ${fact}`, { field: 'image' });
}
