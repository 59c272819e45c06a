import { MEDIA_TYPES } from './documents.ts';
import { asBlob, asLayer, joinConfig, writeManifest } from './found-image.ts';
import type { FoundImage } from './found-image.ts';
import { hostPlatform } from './platform.ts';
import type { ReceivedRoot } from './receive.ts';
import type { Staging } from './staging.ts';

/** Makes an image of the files of a root. The same files make the same image, so no time goes into it. */
export async function makeRootImage(root: ReceivedRoot, name: string, staging: Staging): Promise<FoundImage> {
  const document = {
    ...hostPlatform,
    config: {},
    rootfs: { type: 'layers', diff_ids: [root.diffId] },
    history: [{ created_by: 'berth import', comment: 'files of a root' }],
  };
  const config = asBlob(await staging.write(Buffer.from(JSON.stringify(document))), MEDIA_TYPES.config);
  const layers = [asLayer(root.blob, root.compression)];
  const manifest = await writeManifest(staging, config, layers);
  return { ...(await joinConfig(config, layers)), manifest, names: [name], digests: [] };
}
