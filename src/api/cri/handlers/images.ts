import { BerthError, errorCodeOf } from '../../../base/errors.ts';
import type { Image as EngineImage } from '../../../engine/ports.ts';
import type {
  ImageFsInfoRequest,
  ImageFsInfoResponse,
  ImageSpec,
  ImageStatusRequest,
  ImageStatusResponse,
  ListImagesRequest,
  ListImagesResponse,
  PullImageRequest,
  PullImageResponse,
  RemoveImageRequest,
  RemoveImageResponse,
} from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import type { CriEngine } from '../engine-door.ts';
import { invalid } from '../errors.ts';
import { unlessGone } from '../find.ts';
import { image, imageFilesystem, imageInfo } from '../from-state/image.ts';
import { registryAuth } from '../to-spec/registry-auth.ts';

export function listImages({ filter }: ListImagesRequest, { engine }: Call): ListImagesResponse {
  const name = filter?.image?.image ?? '';
  if (name === '') return { images: engine.images.list().map(image) };
  const found = lookUpImage(engine, name);
  return { images: found === undefined ? [] : [image(found)] };
}

/** An image that is not there is an empty answer. */
export function imageStatus(request: ImageStatusRequest, { engine }: Call): ImageStatusResponse {
  const found = lookUpImage(engine, nameIn('find image', request.image));
  if (found === undefined) return { image: undefined, info: {} };
  return { image: image(found), info: request.verbose ? imageInfo(found) : {} };
}

export async function pullImage(
  request: PullImageRequest,
  { engine, about, signal }: Call,
): Promise<PullImageResponse> {
  const name = nameIn('pull image', request.image);
  checkHandler(about.handlers, request.image?.runtimeHandler ?? '');
  const auth = registryAuth(request.auth, name);
  const pulled = await engine.pullImage({
    name,
    signal,
    onProgress: () => undefined, // this call tells nothing before its end
    ...(auth === undefined ? {} : { auth }),
  });
  return { imageRef: pulled.id };
}

/** Removes it with all its names, whichever of them it is called by. One that is not there is removed. */
export async function removeImage(request: RemoveImageRequest, { engine }: Call): Promise<RemoveImageResponse> {
  const found = lookUpImage(engine, nameIn('remove image', request.image));
  if (found !== undefined) await unlessGone(engine.removeWholeImage(found.id));
  return {};
}

export async function imageFsInfo(_: ImageFsInfoRequest, { engine }: Call): Promise<ImageFsInfoResponse> {
  const storage = await engine.imageStorage();
  return { imageFilesystems: [imageFilesystem(storage, Date.now())], containerFilesystems: [] };
}

function lookUpImage(engine: CriEngine, name: string): EngineImage | undefined {
  try {
    return engine.images.find(name);
  } catch (error) {
    if (errorCodeOf(error) !== 'NotFound') throw error;
    return undefined;
  }
}

function nameIn(verb: string, spec: ImageSpec | undefined): string {
  const name = spec?.image ?? '';
  if (name === '') throw invalid(verb, 'image.image', 'is empty');
  return name;
}

/** @see cri-api ImageSpec.runtime_handler */
function checkHandler(known: readonly string[], wanted: string): void {
  if (wanted === '' || known.includes(wanted)) return;
  const message = `Cannot pull image: runtime handler "${wanted}" is not configured, there are ${known.join(', ')}`;
  throw new BerthError('InvalidArgument', message, { field: 'image.runtime_handler' });
}
