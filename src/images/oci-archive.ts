import { BerthError } from '../base/errors.ts';
import { readDockerImages, readPart } from './archive-parts.ts';
import type { ArchiveParts } from './archive-parts.ts';
import { REF_NAME, readIndex, readManifestOrIndex } from './documents.ts';
import type { BlobRef, Descriptor } from './documents.ts';
import { joinConfig } from './found-image.ts';
import type { FoundBlob, FoundImage } from './found-image.ts';
import { forThisHost } from './platform.ts';
import { formatReference, normaliseName, parseReference } from './reference.ts';

/** What containerd and newer versions of Docker say the full name in: their ref.name is the tag only. */
const CONTAINERD_NAME = 'io.containerd.image.name';

/**
 * The images of an OCI layout: what its index lists, each for this host's platform.
 * @param wantedName whether there is a name that is better than a word in the index that may be a tag only
 * @throws BerthError InvalidArgument; Unsupported when there is no image for this host
 * @see OCI image-spec image-layout.md
 */
export async function readOciArchive(parts: ArchiveParts, wantedName: string | undefined): Promise<FoundImage[]> {
  const index = readIndex(await readPart(parts.get('index.json'), 'index.json'), 'index.json');
  const dockerNames = await readDockerNames(parts);
  const byDigest = new Map<string, FoundImage>(); // each name has a descriptor of its own
  const images = new Map<string, FoundImage>();
  for (const descriptor of forThisHost(index.manifests, 'index.json')) {
    const image = byDigest.get(descriptor.digest) ?? (await readImage(parts, descriptor));
    byDigest.set(descriptor.digest, image);
    const known = images.get(image.id) ?? image;
    const own = namesOf(descriptor, wantedName);
    const names = [...known.names, ...own.names, ...(dockerNames.get(image.id) ?? [])];
    const digests = [...known.digests, ...own.digests];
    images.set(image.id, { ...image, names: [...new Set(names)], digests: [...new Set(digests)] });
  }
  return [...images.values()];
}

async function readImage(parts: ArchiveParts, from: Descriptor): Promise<FoundImage> {
  let at = from;
  for (;;) {
    const manifest = blobOf(parts, at);
    const document = readManifestOrIndex(await readPart(manifest.file, `manifest ${at.digest}`), at);
    if ('manifest' in document) {
      const { config, layers } = document.manifest;
      const joined = await joinConfig(
        blobOf(parts, config),
        layers.map((layer) => blobOf(parts, layer)),
      );
      return { ...joined, manifest, names: [], digests: [] };
    }
    [at] = forThisHost(document.index.manifests, `index ${at.digest}`);
  }
}

/** @throws BerthError InvalidArgument when it is not there, or is not what the descriptor says */
function blobOf(parts: ArchiveParts, { mediaType, digest, size }: BlobRef): FoundBlob {
  const file = parts.get(`blobs/${digest.replace(':', '/')}`);
  if (file.digest !== digest) {
    throw new BerthError('InvalidArgument', `Cannot read blob ${digest}: its digest is ${file.digest}`);
  }
  if (file.sizeBytes !== size) {
    throw new BerthError(
      'InvalidArgument',
      `Cannot read blob ${digest}: it has ${file.sizeBytes} bytes, must be ${size}`,
    );
  }
  return { ref: { mediaType, digest, size }, file };
}

/**
 * umoci and others write no more than a tag: a word like `latest`, which is a poor name. A digest is taken only if it is
 * the one of what is there: nobody else vouches for it.
 */
function namesOf(
  { annotations, digest }: Descriptor,
  wantedName: string | undefined,
): Pick<FoundImage, 'names' | 'digests'> {
  const name = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME];
  const isWord = name !== undefined && !/[/:]/.test(name);
  if (name === undefined || (isWord && wantedName !== undefined)) return { names: [], digests: [] };
  const reference = parseReference(name);
  const full = formatReference(reference);
  if (reference.digest === undefined) return { names: [full], digests: [] };
  return { names: [], digests: reference.digest === digest ? [full] : [] };
}

/** Image id → names, for the archives that are of both forms. */
async function readDockerNames(parts: ArchiveParts): Promise<ReadonlyMap<string, readonly string[]>> {
  if (parts.find('manifest.json') === undefined) return new Map();
  const images = await readDockerImages(parts);
  return new Map(images.map(({ Config, RepoTags }) => [parts.get(Config).digest, RepoTags.map(normaliseName)]));
}
