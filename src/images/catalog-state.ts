import { MEDIA_TYPES, REF_NAME } from './documents.ts';
import type { ImageRecord } from './image-record.ts';

/** Which images there are, and what they are called. A name is of one image at a time; an image may have none. */
export interface CatalogState {
  /** By id. */
  readonly images: ReadonlyMap<string, ImageRecord>;
  /** Name → image id. */
  readonly names: ReadonlyMap<string, string>;
  /** `registry/repository@digest` → image id: what a registry was seen to have. */
  readonly digests: ReadonlyMap<string, string>;
}

export interface NamedRecord {
  readonly record: ImageRecord;
  readonly names: readonly string[];
  readonly digests: readonly string[];
}

export const NO_IMAGES: CatalogState = { images: new Map(), names: new Map(), digests: new Map() };

/** An image that is known keeps its blobs: what has the same id has the same content. Names move to the newer image. */
export function withImages(state: CatalogState, added: readonly NamedRecord[]): CatalogState {
  const images = new Map(state.images);
  const names = new Map(state.names);
  const digests = new Map(state.digests);
  for (const { record, ...own } of added) {
    if (!images.has(record.id)) images.set(record.id, record);
    for (const name of own.names) names.set(name, record.id);
    for (const digest of own.digests) digests.set(digest, record.id);
  }
  return { images, names, digests };
}

/** @param name or digest */
export function withoutName({ images, names, digests }: CatalogState, name: string): CatalogState {
  const isOther = ([each]: readonly [string, string]): boolean => each !== name;
  return { images, names: new Map([...names].filter(isOther)), digests: new Map([...digests].filter(isOther)) };
}

/** All their names and digests go too. */
export function withoutImages({ images, names, digests }: CatalogState, ids: ReadonlySet<string>): CatalogState {
  const isOther = ([, of]: readonly [string, string]): boolean => !ids.has(of);
  return {
    images: new Map([...images].filter(([id]) => !ids.has(id))),
    names: new Map([...names].filter(isOther)),
    digests: new Map([...digests].filter(isOther)),
  };
}

export function namesOf({ names }: Pick<CatalogState, 'names'>, id: string): string[] {
  return [...names].flatMap(([name, of]) => (of === id ? [name] : []));
}

export function digestsOf({ digests }: Pick<CatalogState, 'digests'>, id: string): string[] {
  return namesOf({ names: digests }, id);
}

/**
 * The layout's index: one descriptor for each name and digest, as other programs write it, and one for an image without
 * any.
 */
export function indexOf(state: CatalogState): object {
  const manifests = [...state.images.values()].flatMap(({ id, manifest }) => {
    const all = [...namesOf(state, id), ...digestsOf(state, id)];
    const named = all.map((name) => ({ ...manifest, annotations: { [REF_NAME]: name } }));
    return named.length === 0 ? [manifest] : named;
  });
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
}
