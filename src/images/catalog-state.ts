import { MEDIA_TYPES, REF_NAME } from './documents.ts';
import type { ImageRecord } from './image-record.ts';

/** Which images there are, and what they are called. A name is of one image at a time; an image may have none. */
export interface CatalogState {
  /** By id. */
  readonly images: ReadonlyMap<string, ImageRecord>;
  /** Name → image id. */
  readonly names: ReadonlyMap<string, string>;
}

export interface NamedRecord {
  readonly record: ImageRecord;
  readonly names: readonly string[];
}

/** An image that is known keeps its blobs: what has the same id has the same content. Names move to the newer image. */
export function withImages(state: CatalogState, added: readonly NamedRecord[]): CatalogState {
  const images = new Map(state.images);
  const names = new Map(state.names);
  for (const { record, names: own } of added) {
    if (!images.has(record.id)) images.set(record.id, record);
    for (const name of own) names.set(name, record.id);
  }
  return { images, names };
}

export function withoutName({ images, names }: CatalogState, name: string): CatalogState {
  return { images, names: new Map([...names].filter(([each]) => each !== name)) };
}

/** All its names go too. */
export function withoutImage({ images, names }: CatalogState, id: string): CatalogState {
  return {
    images: new Map([...images].filter(([each]) => each !== id)),
    names: new Map([...names].filter(([, of]) => of !== id)),
  };
}

export function namesOf({ names }: CatalogState, id: string): string[] {
  return [...names].flatMap(([name, of]) => (of === id ? [name] : []));
}

/** The layout's index: one descriptor for each name, as other programs write it, and one for an image without any. */
export function indexOf(state: CatalogState): object {
  const manifests = [...state.images.values()].flatMap(({ id, manifest }) => {
    const named = namesOf(state, id).map((name) => ({ ...manifest, annotations: { [REF_NAME]: name } }));
    return named.length === 0 ? [manifest] : named;
  });
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
}
