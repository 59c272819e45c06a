import type { Image } from '../engine/ports.ts';
import { withoutImages } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import type { ImageParts } from './parts.ts';

/**
 * Removes every image that is neither used by a container nor pinned, and that nobody is getting or looking into: who
 * does so holds its config, whose digest is the image's id. Returns those.
 */
export async function pruneImages(parts: ImageParts): Promise<readonly Image[]> {
  const { mailbox, catalog, snapshots, holds } = parts;
  const removed = await mailbox.run(async () => {
    const unused = catalog
      .list()
      .filter(({ id, isPinned }) => !isPinned && !holds.has(id) && snapshots.userOf(id) === undefined);
    if (unused.length > 0) await catalog.change(withoutImages(catalog.state, new Set(unused.map(({ id }) => id))));
    return unused;
  });
  await collectGarbage(parts);
  return removed;
}
