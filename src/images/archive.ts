import { BerthError } from '../base/errors.ts';
import { archiveForm } from './archive-parts.ts';
import type { ArchiveParts } from './archive-parts.ts';
import { readDockerArchive } from './docker-archive.ts';
import type { FoundImage } from './found-image.ts';
import { readOciArchive } from './oci-archive.ts';
import type { Received } from './receive.ts';
import { makeRootImage } from './root-image.ts';
import type { Staging } from './staging.ts';

/**
 * The images of what was received.
 * @param name normalised; for what has no name of its own, and one more for what has
 * @throws BerthError InvalidArgument; Unsupported when there is no image for this host
 */
export async function readArchive(
  received: Received,
  name: string | undefined,
  staging: Staging,
): Promise<readonly FoundImage[]> {
  if (received.kind === 'root') {
    if (name !== undefined) return [await makeRootImage(received, name, staging)];
    throw new BerthError('InvalidArgument', 'Cannot import the files of a root: they need a name', { field: 'name' });
  }
  const images = await readParts(received.parts, name, staging);
  const [first, ...others] = images;
  if (first === undefined) throw new BerthError('InvalidArgument', 'Cannot read archive: there is no image in it');
  if (name === undefined) return images;
  if (others.length === 0) return [{ ...first, names: [...new Set([...first.names, name])] }];
  const fact = `the archive has ${images.length} images`;
  throw new BerthError('InvalidArgument', `Cannot name image "${name}": ${fact}`, { field: 'name' });
}

async function readParts(
  parts: ArchiveParts,
  name: string | undefined,
  staging: Staging,
): Promise<readonly FoundImage[]> {
  switch (archiveForm(parts)) {
    case 'oci':
      return readOciArchive(parts, name);
    case 'docker':
      return readDockerArchive(parts, staging);
    case undefined:
      throw new BerthError(
        'InvalidArgument',
        'Cannot read archive: it has blobs of images, but neither oci-layout and index.json nor manifest.json',
      );
  }
}
