import { collectGarbage } from './collect.ts';
import type { ImageParts } from './parts.ts';

/** Removes a container's own layer. Where an image that it used is gone already, the layers of that may go with it. */
export async function removeSnapshot(parts: ImageParts, containerId: string): Promise<void> {
  const { snapshots, catalog, usages } = parts;
  usages.forget(containerId);
  const used = snapshots.imagesOf(containerId);
  await snapshots.remove(containerId);
  if (used.every((imageId) => catalog.state.images.has(imageId))) return;
  void collectGarbage(parts); // a container is gone when its own files are; that never fails
}
