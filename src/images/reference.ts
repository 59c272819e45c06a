import { BerthError } from '../base/errors.ts';
import { splitRegistry } from '../base/image-name.ts';
import type { RegistryAndRepository } from '../base/image-name.ts';

/** The name of an image, taken apart. Of tag and digest exactly one is there: a digest says more than a tag beside it. */
export type Reference = RegistryAndRepository &
  ({ readonly tag: string; readonly digest?: never } | { readonly digest: string; readonly tag?: never });

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
 * Reads an image name as Docker does: `busybox` is `docker.io/library/busybox:latest`.
 * @throws BerthError InvalidArgument
 * @see github.com/distribution/reference: the grammar in reference.go
 */
export function parseReference(text: string): Reference {
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
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** @throws BerthError InvalidArgument */
export function normaliseName(text: string): string {
  return formatReference(parseReference(text));
}

/**
 * The full form of a name that is to be given to something: one that a digest cannot contradict.
 * @throws BerthError InvalidArgument
 */
export function normaliseTag(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== undefined) refuse(text, 'a digest cannot be given to something, it has one');
  return formatReference(reference);
}

/** A `:` before the last `/` belongs to the registry's port. */
function splitTag(name: string): [path: string, tag: string | undefined] {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
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
