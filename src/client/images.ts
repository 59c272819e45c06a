import type { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { BerthError, messageOf } from '../base/errors.ts';
import type {
  ImageAnswer,
  ImportLine,
  PruneAnswer,
  PullBody,
  PullLine,
  RegistryAuth,
  StorageAnswer,
} from '../api/berth/index.ts';
import type { Waiting } from './containers.ts';
import { answerTo, ask, open, pathOf, write } from './exchange.ts';
import type { Door } from './exchange.ts';
import { readLines } from './lines.ts';

export interface LoadOptions extends Waiting {
  /** For the files of a root, and to name an archive that has no name. */
  readonly name?: string;
}

export interface PullOptions extends Waiting {
  /** What proves to the registry who asks. */
  readonly auth?: RegistryAuth | undefined;
}

export interface Images {
  list(options?: Waiting): Promise<readonly ImageAnswer[]>;
  /**
   * Sends a tar: an OCI archive, a docker-archive, or the files of a root. The last line has the images.
   * @throws BerthError InvalidArgument when the archive cannot be read
   */
  load(archive: Readable, options?: LoadOptions): AsyncGenerator<ImportLine, void>;
  /**
   * Gets an image from its registry; the last line has it. Leaving the loop ends the wait, and with it a pull that nobody
   * else waits for.
   * @throws BerthError NotFound, PermissionDenied, Unavailable and others, as the registry says
   */
  pull(name: string, options?: PullOptions): AsyncGenerator<PullLine, void>;
  /** Removes the name; the image itself goes with its last name. `isWhole`: with all its names, also while it is used. */
  remove(name: string, options?: Waiting & { readonly isWhole?: boolean }): Promise<void>;
  /** Removes every image that no container uses and that is not pinned. Returns those. */
  prune(options?: Waiting): Promise<readonly ImageAnswer[]>;
  /** What images take of the disk. */
  storage(options?: Waiting): Promise<StorageAnswer>;
}

export function imagesOf(door: Door): Images {
  const path = pathOf('images');
  return {
    list: async ({ signal } = {}) => {
      const answer = await ask<{ readonly images: ImageAnswer[] }>(door, { method: 'GET', path, signal });
      return answer.images;
    },
    load: (archive, options = {}) => load(door, archive, options),
    pull: (name, options = {}) => pull(door, name, options),
    remove: async (name, { isWhole = false, signal } = {}) => {
      const query = { name, all: isWhole ? 1 : undefined };
      await ask(door, { method: 'DELETE', path, query, signal });
    },
    prune: async ({ signal } = {}) => {
      const order = { method: 'POST', path: pathOf('images', 'prune'), signal } as const;
      return (await ask<PruneAnswer>(door, order)).images;
    },
    storage: ({ signal } = {}) => ask(door, { method: 'GET', path: pathOf('images', 'storage'), signal }),
  };
}

async function* pull(door: Door, name: string, { auth, signal }: PullOptions): AsyncGenerator<PullLine, void> {
  const request = open(door, { method: 'POST', path: pathOf('images', 'pull'), signal });
  const answered = answerTo(door, request, signal);
  const body: PullBody = { name, ...(auth === undefined ? {} : { auth }) };
  request.end(JSON.stringify(body));
  yield* readLines<PullLine>(door, await answered, signal);
}

async function* load(door: Door, archive: Readable, { name, signal }: LoadOptions): AsyncGenerator<ImportLine, void> {
  const request = open(door, { method: 'POST', path: pathOf('images'), query: { name }, signal, isUpload: true });
  const answered = answerTo(door, request, signal);
  request.flushHeaders();
  let unreadable: unknown;
  const sending = send(archive, request).catch((error: unknown) => {
    unreadable = error;
    request.destroy(); // half an archive is worse than none
  });
  try {
    yield* readLines<ImportLine>(door, await answered, signal);
  } catch (error) {
    if (unreadable === undefined) throw error;
    const message = `Cannot read the archive: ${messageOf(unreadable)}`;
    throw new BerthError('InvalidArgument', message, { cause: unreadable });
  } finally {
    request.destroy();
    archive.destroy();
    await sending;
  }
}

/** Fails only with the archive. When nobody takes it any more, the answer tells why. */
async function send(archive: Readable, request: ClientRequest): Promise<void> {
  for await (const chunk of archive as AsyncIterable<Uint8Array>) {
    await write(request, chunk);
    if (request.destroyed) return;
  }
  request.end();
}
