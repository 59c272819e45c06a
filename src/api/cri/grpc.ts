import { Server, ServerCredentials, ServerInterceptingCall } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import { ImageServiceService, RuntimeServiceService } from '../../gen/cri/api.ts';
import { answering } from './answer.ts';
import { imageService } from './image-service.ts';
import { runtimeService } from './runtime-service.ts';
import type { Accept, CriParts } from './server.ts';

/** Far above what a kubelet sends; what it takes itself is 16 MiB a message. */
const LARGEST_REQUEST_BYTES = 32 << 20;

/** Makes the two services of the CRI. */
export function createGrpc(parts: CriParts): Accept {
  const server = new Server({
    'grpc.max_receive_message_length': LARGEST_REQUEST_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0, // nobody asks for its books, and they are kept for each connection and call
    interceptors: [keepLongDeadlines],
  });
  const answer = answering(parts);
  server.addService(RuntimeServiceService, runtimeService(answer));
  server.addService(ImageServiceService, imageService(answer));
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return (socket) => injector.injectConnection(socket);
}

const ONE_SECOND_MS = 1_000;

/**
 * The library counts a call's time in 32 bits of ms: a kubelet that stops a pod with a grace of 30 days would be told at
 * once that its deadline has passed. Such a deadline lies long ago when the call has only begun; it is taken away.
 */
const keepLongDeadlines: ServerInterceptor = (_, call) => {
  if (Number(call.getDeadline()) < Date.now() - ONE_SECOND_MS) {
    clearTimeout(Reflect.get(call, 'deadlineTimer') as NodeJS.Timeout);
  }
  return new ServerInterceptingCall(call);
};
