import type { SnapshotOptions } from '../engine/ports.ts';
import { ensureLayers } from './ensure-layers.ts';
import type { ImageRecord } from './image-record.ts';
import { needsOf } from './image-record.ts';
import { visibleLayers } from './overlay.ts';
import type { ImageParts } from './parts.ts';
import type { UsedImage } from './used-images.ts';

/**
 * Makes the container's own layer on top of an image, which is in use from here on, as its volumes are. Doing it twice is
 * as good as once.
 * @throws BerthError NotFound; AlreadyExists when the container has one of another image; Unsupported for too many layers
 */
export async function prepareSnapshot(
  parts: ImageParts,
  containerId: string,
  imageId: string,
  { users, volumes = [] }: SnapshotOptions = {},
): Promise<void> {
  using claim = await parts.mailbox.run(() => {
    const image = parts.catalog.get(imageId);
    const others = volumes.map((id) => parts.catalog.get(id));
    const isNew = parts.snapshots.reserve(containerId, imageId, volumes);
    const hold = parts.holds.take([image, ...others].flatMap(needsOf));
    return { image, others, isNew, [Symbol.dispose]: () => hold[Symbol.dispose]() };
  });
  try {
    const own = await usedImage(parts, claim.image);
    const rest: UsedImage[] = [];
    for (const other of claim.others) rest.push(await usedImage(parts, other));
    await parts.snapshots.make(containerId, { images: [own, ...rest], users });
  } catch (error) {
    if (claim.isNew) parts.snapshots.release(containerId);
    throw error;
  }
}

async function usedImage(parts: ImageParts, image: ImageRecord): Promise<UsedImage> {
  return { imageId: image.id, lower: visibleLayers(await ensureLayers(parts, image)) };
}
