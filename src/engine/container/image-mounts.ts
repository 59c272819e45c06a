import { BerthError } from '../../base/errors.ts';
import type { Images } from '../ports.ts';
import type { MountRequest } from './spec.ts';

type ImageMount = Extract<MountRequest, { kind: 'image' }>;

/**
 * Finds the images that mounts name, and what of them is mounted. An image does not change, so what is found now is what
 * will be there.
 * @throws BerthError NotFound (an image); InvalidArgument for a sub path at which there is nothing that can be mounted
 */
export async function resolveImageMounts(
  mounts: readonly MountRequest[],
  images: Images,
): Promise<readonly MountRequest[]> {
  return Promise.all(mounts.map((mount, index) => resolveMount(mount, images, `mounts[${index}]`)));
}

async function resolveMount(mount: MountRequest, images: Images, field: string): Promise<MountRequest> {
  return mount.kind === 'image' ? resolveImage(mount, images, field) : mount;
}

async function resolveImage(
  { subPath = '', ...mount }: ImageMount,
  images: Images,
  field: string,
): Promise<ImageMount> {
  const { id } = images.find(mount.image);
  if (subPath === '') return { ...mount, image: id };
  const found = await images.findPath(id, subPath);
  if (found !== undefined && found.kind !== 'other') return { ...mount, image: id, subPath: found.path };
  const fact = found === undefined ? 'there is nothing at this path' : 'it is neither a folder nor a plain file';
  throw new BerthError('InvalidArgument', `Cannot mount "${subPath}" of image "${mount.image}": ${fact}`, {
    field: `${field}.subPath`,
  });
}
