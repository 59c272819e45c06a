import { SharedWork } from '../base/shared-work.ts';
import type { Image, PullProgress, PullRequest } from '../engine/ports.ts';
import { digestOf } from './digest.ts';
import type { ImageParts } from './parts.ts';
import { pullImage } from './pull.ts';
import { formatReference, parseReference } from './reference.ts';

/** The pulls in progress. Those of one name are one, if they come with the same credentials. */
export class Pulls {
  readonly #parts: ImageParts;
  readonly #work = new SharedWork<Image, PullProgress>(({ layer = '' }) => layer);

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  /** @throws BerthError as the port's `pull` */
  async pull({ name, auth, signal, onProgress }: PullRequest): Promise<Image> {
    const reference = parseReference(name);
    const proof = digestOf(Buffer.from(JSON.stringify(auth ?? null))); // a password is no key of a table
    const key = `${formatReference(reference)} ${proof}`;
    const { result } = this.#work.join(
      key,
      (order) => pullImage(this.#parts, reference, { auth, signal: order.signal, onProgress: order.tell }),
      { signal, onProgress },
    );
    return result;
  }
}
