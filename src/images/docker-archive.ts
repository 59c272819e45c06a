import { readDockerImages } from './archive-parts.ts';
import type { ArchiveParts } from './archive-parts.ts';
import { compressionOfFile } from './compression.ts';
import { MEDIA_TYPES } from './documents.ts';
import { MOST_LAYERS, asBlob, asLayer, joinConfig, tooManyLayers, writeManifest } from './found-image.ts';
import type { FoundBlob, FoundImage } from './found-image.ts';
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
    if (entry.Layers.length > MOST_LAYERS) throw tooManyLayers(entry.Config, entry.Layers.length);
    const layers: FoundBlob[] = [];
    for (const name of entry.Layers) {
      const file = parts.get(name);
      layers.push(asLayer(file, await compressionOfFile(file.path))); // one at a time: each takes a descriptor
    }
    const manifest = await writeManifest(staging, config, layers);
    images.push({
      ...(await joinConfig(config, layers)),
      manifest,
      names: entry.RepoTags.map(normaliseName),
      digests: [],
    });
  }
  return images;
}
