import type { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { BerthError, messageOf } from '../base/errors.ts';
import type { ImageAnswer, ImportLine } from '../api/berth/index.ts';
import type { Waiting } from './containers.ts';
import { answerTo, ask, open, pathOf, write } from './exchange.ts';
import type { Door } from './exchange.ts';
import { readLines } from './lines.ts';

export interface LoadOptions extends Waiting {
  /** For the files of a root, and to name an archive that has no name. */
  readonly name?: string;
}

export interface Images {
  list(options?: Waiting): Promise<readonly ImageAnswer[]>;
  /**
   * Sends a tar: an OCI archive, a docker-archive, or the files of a root. The last line has the images.
   * @throws BerthError InvalidArgument when the archive cannot be read
   */
  load(archive: Readable, options?: LoadOptions): AsyncGenerator<ImportLine, void>;
  /** Removes the name; the image itself goes with its last name. */
  remove(name: string, options?: Waiting): Promise<void>;
}

export function imagesOf(door: Door): Images {
  const path = pathOf('images');
  return {
    list: async ({ signal } = {}) => {
      const answer = await ask<{ readonly images: ImageAnswer[] }>(door, { method: 'GET', path, signal });
      return answer.images;
    },
    load: (archive, options = {}) => load(door, archive, options),
    remove: async (name, { signal } = {}) =>
      void (await ask(door, { method: 'DELETE', path, query: { name }, signal })),
  };
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
