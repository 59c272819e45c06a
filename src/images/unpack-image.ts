import type { Budget } from './budget.ts';
import type { FoundImage } from './found-image.ts';
import type { ImageRecord } from './image-record.ts';
import type { ImageParts } from './parts.ts';
import { verifyLayer } from './unpack.ts';

export interface UnpackImageOptions {
  readonly budget: Budget;
  readonly signal: AbortSignal;
  readonly onLayer: (diffId: string, bytes: number) => void;
}

/**
 * Unpacks the layers of an image that are not there yet, and makes sure that the others are what they are said to be:
 * a blob that is registered is a blob whose content is known.
 * @throws what unpacking a layer throws
 */
export async function unpackImage(
  parts: ImageParts,
  found: FoundImage,
  record: ImageRecord,
  { budget, signal, onLayer }: UnpackImageOptions,
): Promise<void> {
  for (const [index, { chainId, diffId, blob }] of record.layers.entries()) {
    const file = found.layers[index]?.file;
    if (file === undefined) continue;
    const source = { path: file.path, diffId };
    const options = { budget, signal, onBytes: (bytes: number) => onLayer(diffId, bytes) };
    const { isNew } = await parts.layers.ensure(chainId, source, options);
    const isKnown = isNew || blob.digest === diffId || hasBlob(parts, blob.digest, diffId);
    if (!isKnown) await verifyLayer(source, options);
  }
}

/** Whether an image of the store has this blob as this layer. */
function hasBlob({ catalog }: ImageParts, digest: string, diffId: string): boolean {
  const layers = [...catalog.state.images.values()].flatMap((image) => image.layers);
  return layers.some((layer) => layer.blob.digest === digest && layer.diffId === diffId);
}
