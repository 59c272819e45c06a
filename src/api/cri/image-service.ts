import type { ImageServiceServer } from '../../gen/cri/api.ts';
import { unsupportedStream } from './answer.ts';
import type { Answering } from './answer.ts';
import * as images from './handlers/images.ts';

export function imageService(answer: Answering): ImageServiceServer {
  return {
    listImages: answer('ListImages', images.listImages),
    imageStatus: answer('ImageStatus', images.imageStatus),
    pullImage: answer('PullImage', images.pullImage),
    removeImage: answer('RemoveImage', images.removeImage),
    imageFsInfo: answer('ImageFsInfo', images.imageFsInfo),
    streamImages: unsupportedStream('StreamImages'),
  };
}
