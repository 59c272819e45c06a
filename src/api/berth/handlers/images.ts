import { BerthError } from '../../../base/errors.ts';
import { imageAnswer } from '../from-state.ts';
import { sendLines } from '../lines.ts';
import type { Call } from '../routes.ts';
import type { ImportLine } from '../types.ts';

export function listImages({ engine }: Call): object {
  return { images: engine.images.list().map(imageAnswer) };
}

export async function removeImage({ engine, query }: Call): Promise<object> {
  const name = query.get('name');
  if (name === null) throw new BerthError('InvalidArgument', 'Cannot remove image: name is missing', { field: 'name' });
  await engine.removeImage(name);
  return {};
}

/** Tells how far it is while the archive comes in. */
export async function importImages({ engine, request, response, query, gone }: Call): Promise<undefined> {
  const name = query.get('name');
  const waiting: ImportLine[] = [];
  let wake: () => void = () => undefined;
  const work = engine.importImages({
    content: request as AsyncIterable<Uint8Array>,
    signal: gone,
    ...(name === null ? {} : { name }),
    onProgress: (progress) => {
      waiting.push({ kind: 'progress', ...progress });
      wake();
    },
  });
  const outcome = work.then(
    (images) => ({ images }),
    (error: unknown) => ({ error }),
  );
  async function* tell(): AsyncGenerator<ImportLine> {
    let result: Awaited<typeof outcome> | undefined;
    void outcome.then((settled) => {
      result = settled;
      wake();
    });
    for (;;) {
      yield* waiting.splice(0);
      if (result !== undefined) break;
      await new Promise<void>((resolve) => (wake = resolve));
    }
    if ('error' in result) throw result.error;
    yield { kind: 'images', images: result.images.map(imageAnswer) };
  }
  await sendLines(response, tell(), gone);
  return undefined;
}
