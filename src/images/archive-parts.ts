import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { BerthError } from '../base/errors.ts';
import { LARGEST_DOCUMENT_BYTES, readDockerManifest } from './documents.ts';
import type { DockerManifest } from './documents.ts';
import type { StagedFile } from './staging.ts';
import { tidyName } from './tar-reader.ts';

const MOST_LINKS = 8;

/** The files of an archive of images, by their names in it. */
export class ArchiveParts {
  readonly #files = new Map<string, StagedFile>();
  readonly #links = new Map<string, string>();

  add(name: string, file: StagedFile): void {
    this.#links.delete(name);
    this.#files.set(name, file);
  }

  /** @param target from the archive's root for a hard link, from the link's own folder for a symbolic one */
  addLink(name: string, kind: 'symlink' | 'hardlink', target: string): void {
    const path = kind === 'symlink' ? posix.join(posix.dirname(name), target) : target;
    this.#files.delete(name);
    this.#links.set(name, tidyName(path));
  }

  /** Older versions of Docker save a layer once, with links to it under the names of other images. */
  find(name: string): StagedFile | undefined {
    let path = tidyName(name);
    for (let steps = 0; steps < MOST_LINKS; steps += 1) {
      const target = this.#links.get(path);
      if (target === undefined) break;
      path = target;
    }
    return this.#files.get(path);
  }

  /** @throws BerthError InvalidArgument when it is not there */
  get(name: string): StagedFile {
    const file = this.find(name);
    if (file === undefined) throw new BerthError('InvalidArgument', `Cannot read archive: "${name}" is not in it`);
    return file;
  }
}

/** Reads a document of an archive. @throws BerthError InvalidArgument when it is too large to be one */
export async function readPart(file: StagedFile, what: string): Promise<Buffer> {
  if (file.sizeBytes <= LARGEST_DOCUMENT_BYTES) return readFile(file.path);
  throw new BerthError('InvalidArgument', `Cannot read ${what}: it has ${file.sizeBytes} bytes`);
}

/** The newer archives of Docker are both, and say more as an OCI layout. Undefined: an archive of something else. */
export function archiveForm(parts: ArchiveParts): 'oci' | 'docker' | undefined {
  if (parts.find('oci-layout') !== undefined && parts.find('index.json') !== undefined) return 'oci';
  return parts.find('manifest.json') === undefined ? undefined : 'docker';
}

/** Any program may have a file `manifest.json`: Docker's is told by what is in it. */
export async function isArchiveOfImages(parts: ArchiveParts): Promise<boolean> {
  const form = archiveForm(parts);
  if (form !== 'docker') return form === 'oci';
  try {
    await readDockerImages(parts);
    return true;
  } catch (error) {
    if (error instanceof BerthError) return false;
    throw error;
  }
}

export async function readDockerImages(parts: ArchiveParts): Promise<DockerManifest> {
  return readDockerManifest(await readPart(parts.get('manifest.json'), 'manifest.json'), 'manifest.json');
}
