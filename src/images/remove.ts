import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { namesOf, withoutImage, withoutName } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import type { ImageParts } from './parts.ts';

/**
 * Takes a name away. The image goes with its last name, or with all of them when it is called by its id.
 * @throws BerthError NotFound; Busy when the image would go and is in use
 */
export async function removeImage(parts: ImageParts, text: string): Promise<void> {
  await parts.mailbox.run(async () => {
    const { catalog } = parts;
    const { record, name } = catalog.find(text);
    const hasOtherName = namesOf(catalog.state, record.id).some((each) => each !== name);
    if (name !== undefined && hasOtherName) {
      await catalog.change(withoutName(catalog.state, name));
      return;
    }
    refuseIfUsed(parts, record.id, text);
    await catalog.change(withoutImage(catalog.state, record.id));
  });
  await collectGarbage(parts);
}

function refuseIfUsed({ snapshots, holds }: ImageParts, imageId: string, text: string): void {
  const user = snapshots.userOf(imageId);
  if (user !== undefined) {
    throw new BerthError('Busy', `Cannot remove image "${text}": container ${shortId(user)} uses it`);
  }
  if (holds.has(imageId)) throw new BerthError('Busy', `Cannot remove image "${text}": it is being imported`);
}
