import { Budget } from './budget.ts';
import type { ImageRecord, LayerRecord } from './image-record.ts';
import type { Layer } from './layer-records.ts';
import type { ImageParts } from './parts.ts';
import { verifyLayer } from './unpack.ts';
import type { UnpackOptions } from './unpack.ts';

/**
 * Unpacks a layer unless it is unpacked already; then its blob is held against it instead, as a blob that is registered is
 * one whose content is known.
 * @param path of the blob, which may not be in the store yet
 * @throws what unpacking a layer throws
 */
export async function ensureLayer(
  { layers, blobs }: Pick<ImageParts, 'layers' | 'blobs'>,
  { chainId, diffId, blob }: LayerRecord,
  path: string,
  options: UnpackOptions,
): Promise<Layer> {
  const source = { path, diffId };
  const { layer, isNew } = await layers.ensure(chainId, source, options);
  if (!isNew && !blobs.isProven(blob.digest, diffId)) await verifyLayer(source, options);
  blobs.prove(blob.digest, diffId);
  return layer;
}

/**
 * The image's layers, from the bottom up. One that is missing is unpacked again: somebody else may have put the image
 * into the layout, or taken the folder away.
 * @throws what unpacking a layer throws
 */
export async function ensureLayers(parts: ImageParts, image: ImageRecord): Promise<Layer[]> {
  const budget = new Budget(parts.limits);
  const layers: Layer[] = [];
  for (const { blob, diffId, chainId } of image.layers) {
    const source = { path: parts.blobs.pathOf(blob.digest), diffId };
    const options = { budget, signal: new AbortController().signal, onBytes: () => undefined };
    const { layer } = await parts.layers.ensure(chainId, source, options);
    layers.push(layer);
  }
  return layers;
}
