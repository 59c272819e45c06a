import { readDockerImages } from './archive-parts.ts';
import type { ArchiveParts } from './archive-parts.ts';
import { compressionOfFile } from './compression.ts';
import { MEDIA_TYPES } from './documents.ts';
import { asBlob, asLayer, joinConfig, writeManifest } from './found-image.ts';
import type { FoundImage } from './found-image.ts';
import { normaliseName } from './reference.ts';
import type { Staging } from './staging.ts';

/**
 * The images of what `docker save` writes. They have no manifests: those are made here.
 * @throws BerthError InvalidArgument
 * @see moby image/spec/v1.2.md, Combined Image JSON + Filesystem Changeset Format
 */
export async function readDockerArchive(parts: ArchiveParts, staging: Staging): Promise<FoundImage[]> {
  const images: FoundImage[] = [];
  for (const entry of await readDockerImages(parts)) {
    const config = asBlob(parts.get(entry.Config), MEDIA_TYPES.config);
    const files = entry.Layers.map((name) => parts.get(name));
    const layers = await Promise.all(files.map(async (file) => asLayer(file, await compressionOfFile(file.path))));
    const manifest = await writeManifest(staging, config, layers);
    images.push({ ...(await joinConfig(config, layers)), manifest, names: entry.RepoTags.map(normaliseName) });
  }
  return images;
}
