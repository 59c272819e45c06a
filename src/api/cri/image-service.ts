import type { ImageServiceServer } from '../../gen/cri/api.ts';
import type { Answering } from './answer.ts';
import * as images from './handlers/images.ts';
import { streamImages } from './handlers/streams.ts';

export function imageService(answer: Answering): ImageServiceServer {
  return {
    listImages: answer.one('ListImages', images.listImages),
    imageStatus: answer.one('ImageStatus', images.imageStatus),
    pullImage: answer.one('PullImage', images.pullImage),
    removeImage: answer.one('RemoveImage', images.removeImage),
    imageFsInfo: answer.one('ImageFsInfo', images.imageFsInfo),
    streamImages: answer.many('StreamImages', streamImages),
  };
}
