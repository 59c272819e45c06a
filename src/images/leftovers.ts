import { randomBytes } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import type { ImageFolders } from './parts.ts';

/**
 * What a crash left in the folders for work in progress, and layers that did not become complete. The latter are moved
 * out of the way, as the same layers may be unpacked again at once.
 * @returns paths that can be removed at any time
 */
export async function findLeftovers(folders: ImageFolders, halfLayers: readonly string[]): Promise<string[]> {
  for (const path of halfLayers) await rename(path, `${folders.staging}/${randomBytes(8).toString('hex')}`);
  const found = await Promise.all(
    [folders.received, folders.staging].map(async (folder) => {
      const names = await readdir(folder);
      return names.map((name) => `${folder}/${name}`);
    }),
  );
  return found.flat();
}
