import { readFile, rename } from 'node:fs/promises';
import { BerthError, isMissing, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Image } from '../engine/ports.ts';
import type { Blobs } from './blobs.ts';
import { NO_IMAGES, digestsOf, indexOf, namesOf } from './catalog-state.ts';
import type { CatalogState } from './catalog-state.ts';
import { REF_NAME, readIndex } from './documents.ts';
import type { Descriptor } from './documents.ts';
import { replaceFile } from './durable.ts';
import { findImage } from './find.ts';
import type { Found } from './find.ts';
import { imageOf, readRecord } from './image-record.ts';
import type { ImageRecord } from './image-record.ts';
import { formatReference, parseReference } from './reference.ts';

/** The images of the store. The layout's `index.json` is the truth; this is what it says. */
export class Catalog {
  readonly #indexPath: string;
  readonly #pinned: ReadonlySet<string>;
  #state: CatalogState;

  constructor(indexPath: string, state: CatalogState, pinned: ReadonlySet<string>) {
    this.#indexPath = indexPath;
    this.#pinned = pinned;
    this.#state = state;
  }

  get state(): CatalogState {
    return this.#state;
  }

  list(): Image[] {
    return [...this.#state.images.values()].map((record) => this.imageOf(record));
  }

  imageOf(record: ImageRecord): Image {
    const names = namesOf(this.#state, record.id);
    const digests = digestsOf(this.#state, record.id);
    return imageOf(record, { names, digests, isPinned: [...names, ...digests].some((each) => this.#pinned.has(each)) });
  }

  /** The image that some registry has under this digest. */
  withDigest(digest: string): ImageRecord | undefined {
    const [, id = ''] = [...this.#state.digests].find(([each]) => each.endsWith(`@${digest}`)) ?? [];
    return this.#state.images.get(id);
  }

  /** @throws BerthError NotFound, or InvalidArgument when a prefix fits several */
  find(text: string): Found {
    return findImage(text, this.#state);
  }

  /** @throws BerthError NotFound */
  get(id: string): ImageRecord {
    const record = this.#state.images.get(id);
    if (record !== undefined) return record;
    throw new BerthError('NotFound', `Cannot find image "${id}": there is no image with this id`);
  }

  /** Saved first, then known. The caller sees to it that no other change is being saved. */
  async change(next: CatalogState): Promise<void> {
    await replaceFile(this.#indexPath, JSON.stringify(indexOf(next)));
    this.#state = next;
  }
}

export interface LoadedCatalog {
  readonly catalog: Catalog;
  /** False when there is something in the index that could not be read. */
  readonly isWhole: boolean;
}

/**
 * Reads the index. An image whose documents are damaged is left out, and has to be imported again. An index that cannot
 * be read is put aside: the daemon must come up, if only to stop what runs.
 */
export async function loadCatalog(
  indexPath: string,
  { blobs, pinned, log }: { readonly blobs: Blobs; readonly pinned: ReadonlySet<string>; readonly log: Log },
): Promise<LoadedCatalog> {
  const images = new Map<string, ImageRecord>();
  const names = new Map<string, string>();
  const digests = new Map<string, string>();
  const descriptors = await readDescriptors(indexPath, log);
  if (descriptors === undefined) await replaceFile(indexPath, JSON.stringify(indexOf(NO_IMAGES)));
  let isWhole = descriptors !== undefined;
  for (const { annotations, mediaType, digest, size } of descriptors ?? []) {
    try {
      const record = await readRecord(blobs, { mediaType, digest, size });
      if (!images.has(record.id)) images.set(record.id, record);
      const name = annotations[REF_NAME];
      if (name === undefined) continue;
      const reference = parseReference(name);
      (reference.digest === undefined ? names : digests).set(formatReference(reference), record.id);
    } catch (error) {
      isWhole = false;
      log.warn('image left out', { manifest: digest, reason: messageOf(error) });
    }
  }
  return { catalog: new Catalog(indexPath, { images, names, digests }, pinned), isWhole };
}

/** Undefined when there is none that can be read. */
async function readDescriptors(indexPath: string, log: Log): Promise<readonly Descriptor[] | undefined> {
  try {
    return readIndex(await readFile(indexPath), indexPath).manifests;
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (!(error instanceof BerthError)) throw error;
    const aside = `${indexPath}.unreadable`;
    await rename(indexPath, aside);
    log.error('image index put aside', { path: aside, reason: messageOf(error) });
    return undefined;
  }
}
