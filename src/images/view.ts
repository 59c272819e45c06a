import { MS } from '../linux/abi.ts';
import { ensureLayers } from './ensure-layers.ts';
import { needsOf } from './image-record.ts';
import { overlayOptions, readonlyLayers, visibleLayers } from './overlay.ts';
import type { ImageParts } from './parts.ts';

const LOOKING_ONLY = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC;

/** Mounts the image read-only for as long as `use` takes. @throws BerthError NotFound; Unsupported for too many layers */
export async function withImage<T>(
  parts: ImageParts,
  imageId: string,
  use: (rootfs: string) => Promise<T>,
): Promise<T> {
  using claim = await parts.mailbox.run(() => {
    const image = parts.catalog.get(imageId);
    const hold = parts.holds.take(needsOf(image));
    return { image, [Symbol.dispose]: () => hold[Symbol.dispose]() };
  });
  const options = overlayOptions({ lower: readonlyLayers(visibleLayers(await ensureLayers(parts, claim.image))) });
  return await parts.temporary.with({ options, folder: parts.folders.layers, flags: LOOKING_ONLY }, use); // the claim ends here
}
