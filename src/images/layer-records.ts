import { randomBytes } from 'node:crypto';
import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { decode } from '../base/decode.ts';
import { BerthError } from '../base/errors.ts';
import { layerFolderName, layerKey } from './chain-id.ts';
import type { Usage } from './usage.ts';

/** A layer that is unpacked. */
export interface Layer {
  /** Of its folder, in the folder of all layers. */
  readonly name: string;
  /** What is below it cannot be seen through it. */
  readonly hidesLower: boolean;
  /** Undefined until it was measured: older records do not have it. */
  readonly usage: Usage | undefined;
}

export interface LayerFolders {
  /** All layers, each in a folder of its own with a record beside it: neither counts without the other. */
  readonly layers: string;
  /** On the same file system, for layers on their way in or out. */
  readonly staging: string;
}

const RecordSchema = v.object({
  chainId: v.string(),
  diffId: v.string(),
  hidesLower: v.boolean(),
  usage: v.optional(v.object({ bytes: v.number(), inodes: v.number() })),
});
type LayerRecordFile = v.InferOutput<typeof RecordSchema>;

/** Folders without files: for an image that has no layer, and below one that is alone where overlay wants two. */
export const EMPTY_LAYER = 'empty';
export const PADDING_LAYER = 'padding';
const SUFFIX = '.json';

export function recordPath({ layers }: LayerFolders, name: string): string {
  return `${layers}/${name}${SUFFIX}`;
}

/**
 * It reaches the disk together with the layer's files, before an image is registered that needs them. Written beside and
 * renamed: one that is there already may be written anew.
 */
export async function writeLayerRecord(folders: LayerFolders, record: LayerRecordFile): Promise<void> {
  const path = recordPath(folders, layerFolderName(record.chainId));
  const next = `${folders.staging}/${randomBytes(8).toString('hex')}`;
  await writeFile(next, JSON.stringify(record), { mode: 0o600 });
  await rename(next, path);
}

/** @throws Error when there is none that can be read */
export async function readLayerRecord(folders: LayerFolders, name: string): Promise<LayerRecordFile> {
  const path = recordPath(folders, name);
  return decode(RecordSchema, JSON.parse(await readFile(path, 'utf8')), path);
}

export interface LoadedLayers {
  /** By chain id. */
  readonly known: ReadonlyMap<string, Layer>;
  /** Paths of what a crash left half done. */
  readonly halfLayers: readonly string[];
}

/**
 * Reads the records only: no layer is looked into. What nobody needs is taken for half done: its files may never have
 * reached the disk.
 * @param isNeeded by the key of a layer or by its name
 */
export async function loadLayers(folders: LayerFolders, isNeeded: (key: string) => boolean): Promise<LoadedLayers> {
  const names = new Set(await readdir(folders.layers));
  for (const own of [EMPTY_LAYER, PADDING_LAYER]) names.delete(own);
  const known = new Map<string, Layer>();
  const records = [...names].filter((name) => name.endsWith(SUFFIX));
  for (const record of await Promise.all(records.map((name) => readRecord(`${folders.layers}/${name}`)))) {
    const name = record === undefined ? '' : layerFolderName(record.chainId);
    const isWanted = record !== undefined && (isNeeded(layerKey(record.chainId)) || isNeeded(name));
    if (!isWanted || !names.delete(name)) continue;
    names.delete(`${name}${SUFFIX}`);
    const { chainId, hidesLower, usage } = record;
    known.set(chainId, { name, hidesLower, usage });
  }
  return { known, halfLayers: [...names].map((name) => `${folders.layers}/${name}`) };
}

/** Undefined when it was cut off. */
async function readRecord(path: string): Promise<LayerRecordFile | undefined> {
  try {
    return decode(RecordSchema, JSON.parse(await readFile(path, 'utf8')), path);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof BerthError) return undefined;
    throw error;
  }
}
