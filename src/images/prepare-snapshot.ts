import { ensureLayers } from './ensure-layers.ts';
import { visibleLayers } from './overlay.ts';
import type { ImageParts } from './parts.ts';

/**
 * Makes the container's own layer on top of an image, which is in use from here on. Doing it twice is as good as once.
 * @throws BerthError NotFound; AlreadyExists when the container has one of another image; Unsupported for too many layers
 */
export async function prepareSnapshot(parts: ImageParts, containerId: string, imageId: string): Promise<void> {
  const { image, isNew } = await parts.mailbox.run(() => {
    const record = parts.catalog.get(imageId);
    return { image: record, isNew: parts.snapshots.reserve(containerId, imageId) };
  });
  try {
    const lower = visibleLayers(await ensureLayers(parts, image));
    await parts.snapshots.make(containerId, { imageId, lower });
  } catch (error) {
    if (isNew) parts.snapshots.release(containerId);
    throw error;
  }
}
