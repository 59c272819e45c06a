import { stat, statfs } from 'node:fs/promises';
import type { Disk } from '../engine/ports.ts';
import { deviceNumbers, mountSource } from '../linux/block-device.ts';

/** @param folder on the disk that is meant, and of berth's own making */
export async function readDisk(folder: string): Promise<Disk> {
  const [{ dev }, { bsize, blocks, files, ffree }] = await Promise.all([stat(folder), statfs(folder)]);
  return {
    device: mountSource(dev),
    ...deviceNumbers(dev),
    totalBytes: blocks * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
}
