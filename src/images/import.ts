import { throwIfAborted } from '../base/abort.ts';
import { BerthError, errnoOf, underlying } from '../base/errors.ts';
import type { Image, ImportRequest } from '../engine/ports.ts';
import { readArchive } from './archive.ts';
import { Budget } from './budget.ts';
import { withImages } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import type { FoundImage } from './found-image.ts';
import { needsOf, recordOf } from './image-record.ts';
import type { ImageRecord } from './image-record.ts';
import type { ImageParts } from './parts.ts';
import { receive } from './receive.ts';
import { normaliseName } from './reference.ts';
import { openStaging } from './staging.ts';
import { syncDisk } from './sync-disk.ts';
import { unpackImage } from './unpack-image.ts';

/** An image of the archive: where its parts are now, and what it will be in the store. */
interface Arrival {
  readonly found: FoundImage;
  readonly record: ImageRecord;
}

/**
 * Imports every image of an archive, or none: nothing is registered before all of it is received, checked, unpacked and
 * on the disk.
 * @throws BerthError InvalidArgument for an archive that is damaged, cut off or something else; ResourceExhausted over
 *   the limits or when the disk is full; Unsupported when there is no image for this host in it; Cancelled
 */
export async function importArchive(parts: ImageParts, request: ImportRequest): Promise<readonly Image[]> {
  const name = request.name === undefined ? undefined : normaliseName(request.name);
  try {
    return await importImages(parts, request, name);
  } catch (error) {
    const errno = errnoOf(underlying(error));
    if (errno !== 'ENOSPC' && errno !== 'EDQUOT') throw error;
    throw new BerthError('ResourceExhausted', 'Cannot import archive: the disk is full', { cause: error });
  } finally {
    await collectGarbage(parts);
  }
}

async function importImages(
  parts: ImageParts,
  request: ImportRequest,
  name: string | undefined,
): Promise<readonly Image[]> {
  const { signal } = request;
  await using staging = await openStaging(parts.folders.received);
  const received = await receive(request.content, {
    staging,
    budget: new Budget(parts.limits),
    signal,
    onBytes: (bytes) => request.onProgress({ step: 'receiving', bytes }),
  });
  const found = await readArchive(received, name, staging);
  const arrivals = found.map((image) => ({ found: image, record: recordOf(image) }));
  using claim = await claimArrivals(parts, arrivals);
  const budget = new Budget(parts.limits);
  for (const arrival of claim.fresh) {
    await unpackImage(parts, arrival.found, arrival.record, {
      budget,
      signal,
      onLayer: (layer, bytes) => request.onProgress({ step: 'layer', layer, bytes }),
    });
  }
  throwIfAborted(signal);
  const images = await register(parts, arrivals, claim.fresh);
  request.onProgress({ step: 'done', bytes: images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) });
  return images;
}

interface Claim extends Disposable {
  /** Those that the store does not have yet. The others cannot go until the claim ends. */
  readonly fresh: readonly Arrival[];
}

function claimArrivals(parts: ImageParts, arrivals: readonly Arrival[]): Promise<Claim> {
  return parts.mailbox.run(() => {
    const hold = parts.holds.take(arrivals.flatMap(({ record }) => [record.id, ...needsOf(record)]));
    const fresh = arrivals.filter(({ record }) => !parts.catalog.state.images.has(record.id));
    return { fresh, [Symbol.dispose]: () => hold[Symbol.dispose]() };
  });
}

async function register(
  parts: ImageParts,
  arrivals: readonly Arrival[],
  fresh: readonly Arrival[],
): Promise<readonly Image[]> {
  const blobs = fresh.flatMap(({ found }) => [found.manifest, found.config, ...found.layers]);
  await parts.blobs.add(blobs.map(({ file }) => file));
  if (fresh.length > 0) await syncDisk(parts.children, parts.folders.layers);
  const named = arrivals.map(({ found, record }) => ({ record, names: found.names }));
  return parts.mailbox.run(async () => {
    await parts.catalog.change(withImages(parts.catalog.state, named));
    return arrivals.map(({ found, record }) => ({ ...parts.catalog.imageOf(record), names: found.names }));
  });
}
