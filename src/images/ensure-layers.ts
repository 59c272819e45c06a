import { Budget } from './budget.ts';
import type { ImageRecord } from './image-record.ts';
import type { Layer } from './layer-records.ts';
import type { ImageParts } from './parts.ts';

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
