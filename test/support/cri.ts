import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { whenAborted } from '../../src/base/abort.ts';
import {
  ContainerConfig,
  ImageServiceService,
  ImageSpec,
  PodSandboxConfig,
  RuntimeServiceService,
} from '../../src/gen/cri/api.ts';

/** A method of a service, as the generated code describes it. */
interface Method {
  readonly path: string;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

type RequestOf<M extends Method> = Parameters<M['requestSerialize']>[0];
type AnswerOf<M extends Method> = ReturnType<M['responseDeserialize']>;

interface CallOptions {
  /** After which the client's deadline has passed. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/**
 * Every method as a function that gives a promise, or the messages of its stream; what fails throws gRPC's error, whose
 * `code` is the status.
 */
type Promised<Service extends Readonly<Record<string, Method>>> = {
  readonly [Name in keyof Service]: (
    request: RequestOf<Service[Name]>,
    options?: CallOptions,
  ) => Service[Name]['responseStream'] extends true
    ? Stream<AnswerOf<Service[Name]>>
    : Promise<AnswerOf<Service[Name]>>;
};

interface Stream<T> extends AsyncIterable<T> {
  /** Resolves when the server has it. */
  readonly opened: Promise<void>;
}

/** A client of the CRI, over one connection of its own. */
export class Cri implements Disposable {
  readonly runtime: Promised<typeof RuntimeServiceService>;
  readonly images: Promised<typeof ImageServiceService>;
  readonly #client: Client;

  /** @param authority what the client calls the host: `localhost` unless it is given */
  constructor(socket: string, authority?: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 16 << 20, // as a kubelet has it
      'grpc.use_local_subchannel_pool': 1, // or clients of one socket would share a connection
      ...(authority === undefined ? {} : { 'grpc.default_authority': authority }),
    });
    this.runtime = this.#promised(RuntimeServiceService);
    this.images = this.#promised(ImageServiceService);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #promised<Service extends Readonly<Record<string, Method>>>(service: Service): Promised<Service> {
    const methods = Object.entries(service).map(([name, method]) => [
      name,
      (request: unknown, options: CallOptions = {}) =>
        method.responseStream ? this.#stream(method, request, options) : this.#call(method, request, options),
    ]);
    return Object.fromEntries(methods) as Promised<Service>;
  }

  async #call(method: Method, request: unknown, { timeoutMs, signal }: CallOptions): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const serialize = method.requestSerialize as (request: unknown) => Buffer;
    const call = this.#client.makeUnaryRequest(
      method.path,
      serialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      deadlineAfter(timeoutMs),
      (error, answer) => (error === null ? resolve(answer) : reject(error)),
    );
    using _ = whenAborted(signal, () => call.cancel());
    return await promise;
  }

  /** It begins at once, and ends with the client that does not read on. */
  #stream(method: Method, request: unknown, { timeoutMs, signal }: CallOptions): Stream<unknown> {
    const serialize = method.requestSerialize as (request: unknown) => Buffer;
    const options = deadlineAfter(timeoutMs);
    const { path, responseDeserialize } = method;
    const call = this.#client.makeServerStreamRequest(
      path,
      serialize,
      responseDeserialize,
      request,
      new Metadata(),
      options,
    );
    call.on('error', () => undefined); // whoever reads hears of it
    whenAborted(signal, () => call.cancel());
    const { promise: opened, resolve } = Promise.withResolvers<void>();
    call.once('metadata', () => resolve());
    return {
      opened,
      async *[Symbol.asyncIterator]() {
        try {
          yield* call;
        } finally {
          call.cancel();
        }
      },
    };
  }
}

function deadlineAfter(timeoutMs: number | undefined): { readonly deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

/** A message of which only what is given matters: everything else has the value that means "nothing was said". */
export function message<T extends object>(type: { decode(bytes: Uint8Array): T }, given: Partial<T> = {}): T {
  return { ...type.decode(new Uint8Array()), ...given };
}

/** The least that makes a pod. */
export function podConfig(given: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
  return message(PodSandboxConfig, {
    metadata: { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 },
    hostname: 'pod',
    ...given,
  });
}

/** The least that makes a container. */
export function containerConfig(given: Partial<ContainerConfig> = {}): ContainerConfig {
  return message(ContainerConfig, {
    metadata: { name: 'web', attempt: 0 },
    image: message(ImageSpec, { image: 'busybox' }),
    ...given,
  });
}
