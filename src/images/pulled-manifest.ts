import { BerthError } from '../base/errors.ts';
import { digestOf } from './digest.ts';
import { LARGEST_DOCUMENT_BYTES, MEDIA_TYPES, readManifestOrIndex } from './documents.ts';
import type { BlobRef, Manifest } from './documents.ts';
import { forThisHost } from './platform.ts';
import type { Source } from './registry/source.ts';

/** An image's manifest as its registry has it. */
export interface PulledManifest {
  readonly ref: BlobRef;
  readonly content: Buffer;
  readonly manifest: Manifest;
}

/** One index in the other: more than anybody makes. */
const MOST_INDEXES = 4;

/**
 * Reads the manifest of the image that is for this host.
 * @param digest of a manifest or an index
 * @throws BerthError as the port's `pull`
 */
export async function readPulledManifest(source: Source, digest: string, signal: AbortSignal): Promise<PulledManifest> {
  let at: Pick<BlobRef, 'digest' | 'mediaType'> = { digest, mediaType: '' };
  for (let steps = 0; steps <= MOST_INDEXES; steps += 1) {
    const { content, mediaType: told } = await source.document(at.digest, signal);
    const announced = at.mediaType === '' ? told : at.mediaType;
    const document = readManifestOrIndex(content, { ...at, mediaType: announced, size: content.length });
    if ('manifest' in document) {
      const { manifest } = document;
      const mediaType = announced || manifest.mediaType || MEDIA_TYPES.manifest;
      refuseLargeConfig(manifest);
      return { ref: { mediaType, digest: digestOf(content), size: content.length }, content, manifest };
    }
    [at] = forThisHost(document.index.manifests, `index ${at.digest}`);
  }
  throw new BerthError('InvalidArgument', `Cannot read index ${digest}: it is an index of indexes of indexes`);
}

function refuseLargeConfig({ config: { digest, size } }: Manifest): void {
  if (size <= LARGEST_DOCUMENT_BYTES) return;
  throw new BerthError('ResourceExhausted', `Cannot get config ${digest}: it has ${size} bytes`);
}
