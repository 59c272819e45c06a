import { BerthError } from '../base/errors.ts';
import type { Image } from '../engine/ports.ts';
import type { Blobs } from './blobs.ts';
import { chainIds, layerKey } from './chain-id.ts';
import { readConfig, readManifestOrIndex } from './documents.ts';
import type { BlobRef, ConfigDocument } from './documents.ts';
import type { FoundImage } from './found-image.ts';
import { createdAt, imageConfig } from './image-config.ts';

/** An image of the store. */
export interface ImageRecord {
  /** `sha256:<digest of the config>`. */
  readonly id: string;
  readonly manifest: BlobRef;
  readonly config: BlobRef;
  readonly document: ConfigDocument;
  /** From the bottom up. */
  readonly layers: readonly LayerRecord[];
}

export interface LayerRecord {
  readonly blob: BlobRef;
  readonly diffId: string;
  readonly chainId: string;
}

export function recordOf({ id, manifest, config, document, layers }: FoundImage): ImageRecord {
  const blobs = layers.map((layer) => layer.ref);
  return { id, manifest: manifest.ref, config: config.ref, document, layers: joinLayers(document, blobs) };
}

/** Reads an image of the store. @throws BerthError when a document of it is damaged or of another kind */
export async function readRecord(blobs: Blobs, ref: BlobRef): Promise<ImageRecord> {
  const found = readManifestOrIndex(await blobs.read(ref.digest), ref);
  if (!('manifest' in found)) {
    throw new BerthError('Unsupported', `Cannot read manifest ${ref.digest}: it is an index of several`);
  }
  const { config, layers } = found.manifest;
  const document = readConfig(await blobs.read(config.digest), `config ${config.digest}`);
  return { id: config.digest, manifest: ref, config, document, layers: joinLayers(document, layers) };
}

/** What does not fit together was refused before. */
function joinLayers({ rootfs }: ConfigDocument, blobs: readonly BlobRef[]): LayerRecord[] {
  const chain = chainIds(rootfs.diff_ids);
  return blobs.flatMap((blob, index) => {
    const diffId = rootfs.diff_ids[index];
    const chainId = chain[index];
    return diffId === undefined || chainId === undefined ? [] : [{ blob, diffId, chainId }];
  });
}

export function imageOf(
  { id, document, layers }: ImageRecord,
  called: Pick<Image, 'names' | 'digests' | 'isPinned'>,
): Image {
  return {
    id,
    ...called,
    sizeBytes: layers.reduce((sum, { blob }) => sum + blob.size, 0),
    createdAt: createdAt(document),
    architecture: document.architecture,
    config: imageConfig(document),
    layers: layers.length,
  };
}

/** Held while an image is on its way in. Its id alone is the digest of its config, which others may hold as well. */
export function arrivalKey(id: string): string {
  return `arriving ${id}`;
}

/** Everything that the image needs in the store: blobs and unpacked layers. */
export function needsOf({ manifest, config, layers }: ImageRecord): string[] {
  return [manifest.digest, config.digest, ...layers.flatMap(({ blob, chainId }) => [blob.digest, layerKey(chainId)])];
}
