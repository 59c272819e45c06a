import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { untilAborted } from '../base/abort.ts';
import type { Children } from '../linux/children.ts';
import { layerFolderName, layerKey } from './chain-id.ts';
import { readLayerRecord, recordPath, writeLayerRecord } from './layer-records.ts';
import type { Layer, LayerFolders } from './layer-records.ts';
import { removeTrees } from './remove-tree.ts';
import { unpackLayer } from './unpack.ts';
import type { LayerSource, UnpackOptions } from './unpack.ts';
import { measureTree, sumOf } from './usage.ts';
import type { Usage } from './usage.ts';

/** The unpacked layers. Each is there once, whatever number of images share it. */
export class Layers {
  readonly #children: Children;
  readonly #folders: LayerFolders;
  readonly #known: Map<string, Layer>;
  /** Chain id → the unpacking in progress. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(children: Children, folders: LayerFolders, known: ReadonlyMap<string, Layer>) {
    this.#children = children;
    this.#folders = folders;
    this.#known = new Map(known);
  }

  /**
   * Unpacks the layer unless it is there; one that somebody else is unpacking is waited for.
   * @throws what unpackLayer throws
   */
  async ensure(
    chainId: string,
    source: LayerSource,
    options: UnpackOptions,
  ): Promise<{ readonly layer: Layer; readonly isNew: boolean }> {
    for (let other = this.#busy.get(chainId); other !== undefined; other = this.#busy.get(chainId)) {
      await untilAborted(other, options.signal);
    }
    const known = this.#known.get(chainId);
    if (known !== undefined) return { layer: known, isNew: false };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy.set(chainId, promise);
    try {
      const layer = await this.#unpack(chainId, source, options);
      this.#known.set(chainId, layer);
      return { layer, isNew: true };
    } finally {
      this.#busy.delete(chainId);
      resolve();
    }
  }

  /**
   * Takes layers that nobody needs out of use.
   * @param isNeeded by the key of the layer or by its name
   * @returns folders to be removed, which may take long
   */
  async detachExcept(isNeeded: (key: string) => boolean): Promise<string[]> {
    const detached: string[] = [];
    for (const [chainId, { name }] of this.#known) {
      if (isNeeded(layerKey(chainId)) || isNeeded(name)) continue;
      this.#known.delete(chainId);
      await rm(recordPath(this.#folders, name), { force: true });
      const trash = this.#stagingPath();
      await rename(`${this.#folders.layers}/${name}`, trash);
      detached.push(trash);
    }
    return detached;
  }

  get usage(): Usage {
    return sumOf([...this.#known.values()].flatMap(({ usage }) => usage ?? []));
  }

  /** Measures what older versions did not. @throws BerthError */
  async measureRest(): Promise<void> {
    for (const [chainId, layer] of this.#known) {
      if (layer.usage !== undefined) continue;
      const usage = await measureTree(this.#children, `${this.#folders.layers}/${layer.name}`);
      const record = await readLayerRecord(this.#folders, layer.name);
      if (this.#known.get(chainId) !== layer) continue; // nobody needs it any more
      await writeLayerRecord(this.#folders, { ...record, usage });
      if (this.#known.get(chainId) === layer) this.#known.set(chainId, { ...layer, usage });
    }
  }

  async #unpack(chainId: string, source: LayerSource, options: UnpackOptions): Promise<Layer> {
    const work = this.#stagingPath();
    const folders = { layer: `${work}/layer`, scratch: `${work}/scratch` };
    const name = layerFolderName(chainId);
    try {
      for (const folder of [work, folders.layer, folders.scratch]) await mkdir(folder);
      await chmod(folders.layer, 0o755); // what a root is when the archive does not say it
      const { hidesLower } = await unpackLayer(this.#children, source, folders, options);
      const usage = await measureTree(this.#children, folders.layer);
      await writeLayerRecord(this.#folders, { chainId, diffId: source.diffId, hidesLower, usage });
      await rmdir(folders.scratch);
      await rename(folders.layer, `${this.#folders.layers}/${name}`);
      await rmdir(work);
      return { name, hidesLower, usage };
    } catch (error) {
      await removeTrees(this.#children, [work]);
      throw error;
    }
  }

  #stagingPath(): string {
    return `${this.#folders.staging}/${randomBytes(8).toString('hex')}`;
  }
}
