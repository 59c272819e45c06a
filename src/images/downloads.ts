import { BerthError } from '../base/errors.ts';
import { SharedWork } from '../base/shared-work.ts';
import { Slots } from '../base/slots.ts';
import type { Blobs } from './blobs.ts';
import type { BlobRef } from './documents.ts';
import { download } from './download.ts';
import type { Source } from './registry/source.ts';
import { openStaging } from './staging.ts';

export interface BlobOptions {
  readonly signal: AbortSignal;
  /** Bytes so far. */
  readonly onBytes: (bytes: number) => void;
}

/** What is being downloaded. A blob that several pulls need comes once. */
export class Downloads {
  readonly #blobs: Blobs;
  /** Where files are while they come. */
  readonly #folder: string;
  readonly #slots: Slots;
  readonly #work = new SharedWork<void, number>(() => 'bytes');

  constructor(blobs: Blobs, folder: string, atOnce: number) {
    this.#blobs = blobs;
    this.#folder = folder;
    this.#slots = new Slots(atOnce);
  }

  /**
   * Sees to it that a blob is in the store. The caller holds it, so that it is not collected as soon as it is there.
   * @throws BerthError as the port's `pull`; InvalidArgument also when it has another size than was announced
   */
  async ensure(source: Source, blob: BlobRef, { signal, onBytes }: BlobOptions): Promise<void> {
    while (this.#blobs.sizeOf(blob.digest) === undefined) {
      const { isFirst, result } = this.#work.join(
        blob.digest,
        (order) => this.#get(source, blob, { signal: order.signal, onBytes: order.tell }),
        { signal, onProgress: onBytes },
      );
      try {
        await result;
      } catch (error) {
        if (isFirst || signal.aborted) throw error;
        // Somebody else's way to it has failed: they may have had another registry, or no credentials.
      }
    }
    const size = this.#blobs.sizeOf(blob.digest);
    if (size === blob.size) return;
    const message = `Cannot get blob ${blob.digest}: it has ${size} bytes, and is said to have ${blob.size}`;
    throw new BerthError('InvalidArgument', message);
  }

  async #get(source: Source, blob: BlobRef, options: BlobOptions): Promise<void> {
    using _ = await this.#slots.take(options.signal);
    await using staging = await openStaging(this.#folder);
    await this.#blobs.add([await download(source, blob, { staging, ...options })]);
  }
}
