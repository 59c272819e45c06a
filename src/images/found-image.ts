import { BerthError } from '../base/errors.ts';
import { readPart } from './archive-parts.ts';
import { COMPRESSION_SUFFIX } from './compression.ts';
import type { Compression } from './compression.ts';
import { MEDIA_TYPES, readConfig } from './documents.ts';
import type { BlobRef, ConfigDocument } from './documents.ts';
import type { StagedFile, Staging } from './staging.ts';

/** A blob that is not in the store yet. */
export interface FoundBlob {
  readonly ref: BlobRef;
  readonly file: StagedFile;
}

interface FoundLayer extends FoundBlob {
  readonly diffId: string;
}

/** An image as an archive has it. All that is left to find out is whether its layers unpack to their diff ids. */
export interface FoundImage {
  /** `sha256:<digest of the config>`. */
  readonly id: string;
  /** Normalised; none has a digest in it. */
  readonly names: readonly string[];
  /** `registry/repository@digest` of its own manifest, as the archive calls it. */
  readonly digests: readonly string[];
  readonly manifest: FoundBlob;
  readonly config: FoundBlob;
  readonly document: ConfigDocument;
  /** From the bottom up. */
  readonly layers: readonly FoundLayer[];
}

/** Overlay takes no more. @see kernel fs/overlayfs/params.h, OVL_MAX_STACK */
export const MOST_LAYERS = 500;

export function tooManyLayers(image: string, count: number): BerthError {
  return new BerthError(
    'Unsupported',
    `Cannot read image ${image}: it has ${count} layers, not ${MOST_LAYERS} at most`,
  );
}

/**
 * Makes sure that a config and a manifest speak of the same layers.
 * @param image for messages
 * @throws BerthError InvalidArgument; Unsupported for too many of them
 */
export function checkLayers(image: string, layers: number, { rootfs }: ConfigDocument): void {
  if (layers > MOST_LAYERS) throw tooManyLayers(image, layers);
  if (layers === rootfs.diff_ids.length) return;
  const fact = `it has ${layers} layers, its config tells of ${rootfs.diff_ids.length}`;
  throw new BerthError('InvalidArgument', `Cannot read image ${image}: ${fact}`);
}

/** @throws BerthError InvalidArgument when config and layers do not fit; Unsupported for too many layers */
export async function joinConfig(
  config: FoundBlob,
  layers: readonly FoundBlob[],
): Promise<Pick<FoundImage, 'id' | 'config' | 'document' | 'layers'>> {
  const { digest } = config.ref;
  const document = readConfig(await readPart(config.file, `config ${digest}`), `config ${digest}`);
  checkLayers(digest, layers.length, document);
  const joined = layers.map((layer, index) => ({ ...layer, diffId: document.rootfs.diff_ids[index] ?? '' }));
  return { id: digest, config, document, layers: joined };
}

/** Makes the manifest of an image that came without one. */
export async function writeManifest(
  staging: Staging,
  config: FoundBlob,
  layers: readonly FoundBlob[],
): Promise<FoundBlob> {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: config.ref,
    layers: layers.map((layer) => layer.ref),
  };
  return asBlob(await staging.write(Buffer.from(JSON.stringify(manifest))), MEDIA_TYPES.manifest);
}

export function asBlob(file: StagedFile, mediaType: string): FoundBlob {
  return { ref: { mediaType, digest: file.digest, size: file.sizeBytes }, file };
}

export function asLayer(file: StagedFile, compression: Compression): FoundBlob {
  return asBlob(file, MEDIA_TYPES.layer + COMPRESSION_SUFFIX[compression]);
}
