import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { BerthError, errnoOf, isMissing, messageOf } from '../../base/errors.ts';
import type { JsonObject, NetworkList } from './config.ts';
import { isNetworkName, parseJson, parseList, parseSingle } from './config.ts';

/** What a folder of network configurations says. */
export type FolderContent =
  | { readonly kind: 'network'; readonly file: string; readonly network: NetworkList }
  /** There is no configuration; `why` is a fact about the folder. */
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'broken'; readonly file: string; readonly why: string };

const LARGEST_FILE_BYTES = 2 << 20;
const SUFFIX = /\.(conf|conflist|json)$/;

/**
 * Reads the configuration that counts: the first by name. If it cannot be read that is told, and no other one is taken:
 * what a node's network is must not depend on a typing error.
 * @see containernetworking/cni libcni/conf.go, ConfFiles; containerd/go-cni opts.go, loadFromConfDir
 */
export async function readConfigFolder(folder: string): Promise<FolderContent> {
  let names: string[];
  try {
    names = await configNames(folder, SUFFIX);
  } catch (error) {
    if (isMissing(error)) return { kind: 'none', why: 'there is no such folder' };
    if (errnoOf(error) === 'ENOTDIR') return { kind: 'none', why: 'it is not a folder' };
    return { kind: 'broken', file: folder, why: messageOf(error) };
  }
  const [first] = names;
  if (first === undefined) return { kind: 'none', why: 'no file in it ends in .conflist, .conf or .json' };
  const file = `${folder}/${first}`;
  try {
    return { kind: 'network', file, network: await readNetwork(folder, file) };
  } catch (error) {
    return { kind: 'broken', file, why: messageOf(error) };
  }
}

async function readNetwork(folder: string, file: string): Promise<NetworkList> {
  const text = await readSmall(file);
  if (!file.endsWith('.conflist')) return parseSingle(text);
  const { name } = parseJson(text);
  return parseList(
    text,
    typeof name === 'string' && isNetworkName(name) ? await extraPlugins(`${folder}/${name}`) : [],
  );
}

/** More plugins for a list may lie in a folder of its name. @see containernetworking/cni SPEC.md 1.1, section 1 */
async function extraPlugins(folder: string): Promise<JsonObject[]> {
  try {
    const names = await configNames(folder, /\.conf$/);
    return await Promise.all(names.map(async (name) => parseJson(await readSmall(`${folder}/${name}`))));
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** In the order of their bytes. Links count as what they are called, folders do not count. */
async function configNames(folder: string, suffix: RegExp): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && suffix.test(entry.name))
    .map(({ name }) => name)
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function readSmall(file: string): Promise<string> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO would have us wait
  const { size } = await handle.stat();
  if (size > LARGEST_FILE_BYTES) {
    throw new BerthError('InvalidArgument', `it has ${size} bytes: must have at most ${LARGEST_FILE_BYTES}`);
  }
  return handle.readFile('utf8');
}
