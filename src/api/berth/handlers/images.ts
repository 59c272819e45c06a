import { decode } from '../../../base/decode.ts';
import { BerthError } from '../../../base/errors.ts';
import type { Image, ImportProgress, PullProgress } from '../../../engine/ports.ts';
import { imageAnswer } from '../from-state.ts';
import { readBody, sendLines } from '../lines.ts';
import { progressLines } from '../progress.ts';
import type { Call } from '../routes.ts';
import { bodies } from '../schemas.ts';
import type { ImportLine, PruneAnswer, PullLine, StorageAnswer } from '../types.ts';

export function listImages({ engine }: Call): object {
  return { images: engine.images.list().map(imageAnswer) };
}

/** With `all=1` the image goes with all that it is called, and even if containers use it. */
export async function removeImage({ engine, query }: Call): Promise<object> {
  const name = query.get('name');
  if (name === null) throw new BerthError('InvalidArgument', 'Cannot remove image: name is missing', { field: 'name' });
  if (query.get('all') === '1') await engine.removeWholeImage(name);
  else await engine.removeImage(name);
  return {};
}

export async function pruneImages({ engine }: Call): Promise<PruneAnswer> {
  const removed = await engine.pruneImages();
  return { images: removed.map(imageAnswer) };
}

export function imageStorage({ engine }: Call): Promise<StorageAnswer> {
  return engine.imageStorage();
}

/** Tells how far it is while the archive comes in. */
export async function importImages({ engine, request, response, query, gone }: Call): Promise<undefined> {
  const name = query.get('name');
  const content = request as AsyncIterable<Uint8Array>;
  const lines = progressLines<ImportProgress, readonly Image[]>(
    (onProgress) => engine.importImages({ content, signal: gone, ...(name === null ? {} : { name }), onProgress }),
    ({ step, layer = '' }) => `${step} ${layer}`,
    (images): ImportLine => ({ kind: 'images', images: images.map(imageAnswer) }),
  );
  await sendLines(response, lines, gone);
  return undefined;
}

/** Tells how far it is; a client that goes away ends its wait, and with it a pull that nobody else waits for. */
export async function pullImage({ engine, request, response, gone }: Call): Promise<undefined> {
  const { name, auth } = decode(bodies.pull, await readBody(request), 'pull');
  const lines = progressLines<PullProgress, Image>(
    (onProgress) => engine.pullImage({ name, ...(auth === undefined ? {} : { auth }), signal: gone, onProgress }),
    ({ layer = '' }) => layer,
    (image): PullLine => ({ kind: 'image', image: imageAnswer(image) }),
  );
  await sendLines(response, lines, gone);
  return undefined;
}
