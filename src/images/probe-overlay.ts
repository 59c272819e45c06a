import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { overlayOptions } from './overlay.ts';
import { EMPTY_LAYER } from './layer-records.ts';
import type { ImageFolders } from './parts.ts';
import type { TemporaryMounts } from './temporary-mounts.ts';

/**
 * What a container's overlay is mounted with where the kernel knows it. The first two are off because they cost, or have
 * overlay heed more attributes of the layers. `volatile` is last, as it marks its folders as used: nothing is flushed to
 * the disk when the container syncs or ends.
 */
const WANTED = ['index=off', 'metacopy=off', 'volatile'];

/** Tries each of them once, and keeps what the kernel takes. */
export async function probeOverlay(
  temporary: TemporaryMounts,
  folders: Pick<ImageFolders, 'layers' | 'staging'>,
  log: Log,
): Promise<readonly string[]> {
  const scratch = await mkdtemp(`${folders.staging}/probe-`);
  const own = { upper: `${scratch}/upper`, work: `${scratch}/work` };
  for (const folder of [own.upper, own.work]) await mkdir(folder);
  const taken: string[] = [];
  for (const flag of WANTED) {
    try {
      const options = overlayOptions({ lower: [EMPTY_LAYER], own, flags: [flag] });
      await temporary.with({ options, folder: folders.layers, flags: 0 }, () => Promise.resolve());
      taken.push(flag);
    } catch (error) {
      log.info('overlay option not used', { option: flag, reason: messageOf(error) });
    }
  }
  await rm(scratch, { recursive: true });
  return taken;
}
