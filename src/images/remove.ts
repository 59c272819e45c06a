import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { digestsOf, namesOf, withoutImages, withoutName } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import { arrivalKey } from './image-record.ts';
import type { ImageParts } from './parts.ts';

/**
 * Takes a name away. The image goes with its last name, or with its last digest when it has no names; called by its id it
 * must not have several.
 * @throws BerthError NotFound; WrongState when it has several names; Busy when the image would go and is in use
 */
export async function removeImage(parts: ImageParts, text: string): Promise<void> {
  await parts.mailbox.run(async () => {
    const { catalog } = parts;
    const { record, name } = catalog.find(text);
    const names = namesOf(catalog.state, record.id);
    const others = (names.length > 0 ? names : digestsOf(catalog.state, record.id)).filter((each) => each !== name);
    if (name !== undefined && others.length > 0) {
      await catalog.change(withoutName(catalog.state, name));
      return;
    }
    if (others.length > 1 && names.length > 0) {
      const message = `Cannot remove image "${text}": it has the names ${others.join(', ')}: remove them one by one`;
      throw new BerthError('WrongState', message);
    }
    refuseIfUsed(parts, record.id, text);
    await catalog.change(withoutImages(catalog.state, new Set([record.id])));
  });
  await collectGarbage(parts);
}

function refuseIfUsed({ snapshots, holds }: ImageParts, imageId: string, text: string): void {
  const user = snapshots.userOf(imageId);
  if (user !== undefined) {
    throw new BerthError('Busy', `Cannot remove image "${text}": container ${shortId(user)} uses it`);
  }
  if (!holds.has(arrivalKey(imageId))) return;
  throw new BerthError('Busy', `Cannot remove image "${text}": it is being pulled or imported`);
}
