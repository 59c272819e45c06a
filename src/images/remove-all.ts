import { BerthError } from '../base/errors.ts';
import { withoutImages } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import { arrivalKey } from './image-record.ts';
import type { ImageParts } from './parts.ts';

/** Removals of whole images. Several of one image at once are one. */
export class Removals {
  readonly #parts: ImageParts;
  readonly #busy = new Map<string, Promise<void>>();

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  /**
   * Removes an image with all it is called. What containers of it need stays until the last of them is gone.
   * @returns false when somebody else removed it meanwhile
   * @throws BerthError NotFound; Busy while it is pulled or imported
   */
  async removeAll(id: string): Promise<boolean> {
    const other = this.#busy.get(id);
    const removing = other ?? this.#remove(id).finally(() => this.#busy.delete(id));
    this.#busy.set(id, removing);
    await removing;
    return other === undefined;
  }

  async #remove(id: string): Promise<void> {
    const { mailbox, catalog, holds } = this.#parts;
    await mailbox.run(async () => {
      catalog.get(id);
      if (holds.has(arrivalKey(id))) {
        throw new BerthError('Busy', `Cannot remove image ${id}: it is being pulled or imported`);
      }
      await catalog.change(withoutImages(catalog.state, new Set([id])));
    });
    await collectGarbage(this.#parts);
  }
}
