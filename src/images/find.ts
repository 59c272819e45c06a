import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { CatalogState } from './catalog-state.ts';
import type { ImageRecord } from './image-record.ts';
import { normaliseName } from './reference.ts';

export interface Found {
  readonly record: ImageRecord;
  /** The normalised name or digest that it was found by; undefined: by its id. */
  readonly name: string | undefined;
}

const ID = /^(?:sha256:)?([0-9a-f]{2,64})$/;
const FULL_ID_DIGITS = 64;

/**
 * Finds an image by its name in any spelling, `repository@digest`, its id, or the beginning of its id. A name goes before the beginning of
 * an id: `cafe` may be both.
 * @throws BerthError NotFound; InvalidArgument for what can be neither name nor id, or fits several ids
 */
export function findImage(text: string, state: CatalogState): Found {
  const digits = ID.exec(text)?.[1];
  if (digits?.length !== FULL_ID_DIGITS) {
    const byName = findByName(text, state, digits !== undefined);
    if (byName !== undefined) return byName;
  }
  const fitting = digits === undefined ? [] : fittingIds(digits, state);
  const [record] = fitting;
  if (record === undefined) {
    throw new BerthError('NotFound', `Cannot find image "${text}": there is no image with this name or id`, {
      field: 'image',
    });
  }
  if (fitting.length === 1) return { record, name: undefined };
  const ids = fitting.map(({ id }) => shortId(id.slice('sha256:'.length))).join(', ');
  throw new BerthError('InvalidArgument', `Cannot find image "${text}": it is the beginning of several ids: ${ids}`, {
    field: 'image',
  });
}

function findByName(text: string, { images, names, digests }: CatalogState, mayBeId: boolean): Found | undefined {
  let name: string;
  try {
    name = normaliseName(text);
  } catch (error) {
    if (mayBeId && error instanceof BerthError) return undefined;
    throw error;
  }
  const record = images.get(names.get(name) ?? digests.get(name) ?? '');
  return record === undefined ? undefined : { record, name };
}

function fittingIds(digits: string, { images }: CatalogState): ImageRecord[] {
  return [...images.values()].filter(({ id }) => id.startsWith(`sha256:${digits}`));
}
