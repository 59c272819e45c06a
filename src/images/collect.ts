import { messageOf } from '../base/errors.ts';
import { needsOf } from './image-record.ts';
import type { ImageParts } from './parts.ts';
import { removeTrees } from './remove-tree.ts';

/**
 * Removes the blobs and layers that no image, no snapshot and no work in progress needs. It never fails: what could not
 * be removed is tried again the next time.
 */
export async function collectGarbage(parts: ImageParts): Promise<void> {
  try {
    const detached = await parts.mailbox.run(async () => {
      const images = [...parts.catalog.state.images.values()];
      const needed = new Set([...images.flatMap(needsOf), ...parts.snapshots.layers]);
      const isNeeded = (key: string): boolean => needed.has(key) || parts.holds.has(key);
      await parts.blobs.removeExcept(isNeeded);
      return parts.layers.detachExcept(isNeeded);
    });
    await removeTrees(parts.children, detached);
  } catch (error) {
    parts.log.warn('image garbage left', { reason: messageOf(error) });
  }
}
