import type { ImagePath } from '../engine/ports.ts';
import { findInRoot } from '../linux/rooted.ts';
import type { ImageParts } from './parts.ts';
import { withImage } from './view.ts';

/** What is at a path of an image, with its links resolved as inside of it. @throws BerthError NotFound (the image) */
export async function findPath(parts: ImageParts, imageId: string, path: string): Promise<ImagePath | undefined> {
  return withImage(parts, imageId, (rootfs) => Promise.resolve(findInRoot(rootfs, path)));
}
