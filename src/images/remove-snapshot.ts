import { collectGarbage } from './collect.ts';
import type { ImageParts } from './parts.ts';

/** Removes a container's own layer. Where its image is gone already, those below may go with it. */
export async function removeSnapshot(parts: ImageParts, containerId: string): Promise<void> {
  const { snapshots, catalog } = parts;
  const imageId = snapshots.imageOf(containerId);
  await snapshots.remove(containerId);
  if (imageId === undefined || catalog.state.images.has(imageId)) return;
  void collectGarbage(parts); // a container is gone when its own files are; that never fails
}
