import { readlink, symlink } from 'node:fs/promises';
import { errnoOf, isMissing } from '../base/errors.ts';

/** An image that a container uses. Which one is unknown when the container's removal was cut off by a crash. */
export interface UsedImage {
  readonly imageId: string | undefined;
  /** Names of layers, the top one first. */
  readonly lower: readonly string[];
}

/**
 * The record of what a snapshot is made from: `image` and `layers` of the container's root, `image-1` and `layers-1` of
 * its first volume, and so on. Each is a link, whose target is the value.
 */
export async function writeUsedImages(folder: string, images: readonly UsedImage[]): Promise<void> {
  for (const [index, { imageId = '', lower }] of images.entries()) {
    const links = linksOf(folder, index);
    await symlink(imageId, links.image);
    await symlink(lower.join(':'), links.layers);
  }
}

/** That of the root first. */
export async function readUsedImages(folder: string): Promise<[UsedImage, ...UsedImage[]]> {
  const images: [UsedImage, ...UsedImage[]] = [await readUsedImage(folder, 0)];
  for (;;) {
    const volume = await readUsedImage(folder, images.length);
    if (volume.imageId === undefined) return images;
    images.push(volume);
  }
}

async function readUsedImage(folder: string, index: number): Promise<UsedImage> {
  const links = linksOf(folder, index);
  const [imageId, lower] = await Promise.all([linkText(links.image), linkText(links.layers)]);
  return { imageId, lower: lower?.split(':') ?? [] };
}

function linksOf(folder: string, index: number): { readonly image: string; readonly layers: string } {
  const suffix = index === 0 ? '' : `-${index}`;
  return { image: `${folder}/image${suffix}`, layers: `${folder}/layers${suffix}` };
}

async function linkText(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}
