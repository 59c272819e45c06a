import { throwIfAborted } from '../base/abort.ts';
import type { Image, ImportRequest } from '../engine/ports.ts';
import { readArchive } from './archive.ts';
import { Budget } from './budget.ts';
import { withImages } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import { ensureLayer } from './ensure-layers.ts';
import type { FoundImage } from './found-image.ts';
import { explainFullDisk } from './full-disk.ts';
import { arrivalKey, needsOf, recordOf } from './image-record.ts';
import type { ImageRecord } from './image-record.ts';
import type { ImageParts } from './parts.ts';
import { receive } from './receive.ts';
import { normaliseTag } from './reference.ts';
import { openStaging } from './staging.ts';
import { syncDisk } from './sync-disk.ts';

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
  const name = request.name === undefined ? undefined : normaliseTag(request.name);
  try {
    return await importImages(parts, request, name);
  } catch (error) {
    throw explainFullDisk(error, 'Cannot import archive');
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
  const images = await readArchive(received, name, staging);
  const arrivals = images.map((image) => ({ found: image, record: recordOf(image) }));
  using claim = await claimArrivals(parts, arrivals);
  const budget = new Budget(parts.limits);
  for (const { found, record } of claim.fresh) {
    for (const [index, layer] of record.layers.entries()) {
      const path = found.layers[index]?.file.path ?? '';
      const onBytes = (bytes: number): void => request.onProgress({ step: 'layer', layer: layer.diffId, bytes });
      await ensureLayer(parts, layer, path, { budget, signal, onBytes });
    }
  }
  const registered = await register(parts, arrivals, claim.fresh, signal);
  request.onProgress({ step: 'done', bytes: registered.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) });
  return registered;
}

interface Claim extends Disposable {
  /** Those that the store does not have yet. The others cannot go until the claim ends. */
  readonly fresh: readonly Arrival[];
}

function claimArrivals(parts: ImageParts, arrivals: readonly Arrival[]): Promise<Claim> {
  return parts.mailbox.run(() => {
    const hold = parts.holds.take(arrivals.flatMap(({ record }) => [arrivalKey(record.id), ...needsOf(record)]));
    const fresh = arrivals.filter(({ record }) => !parts.catalog.state.images.has(record.id));
    return { fresh, [Symbol.dispose]: () => hold[Symbol.dispose]() };
  });
}

async function register(
  parts: ImageParts,
  arrivals: readonly Arrival[],
  fresh: readonly Arrival[],
  signal: AbortSignal,
): Promise<readonly Image[]> {
  throwIfAborted(signal);
  const blobs = fresh.flatMap(({ found }) => [found.manifest, found.config, ...found.layers]);
  await parts.blobs.add(blobs.map(({ file }) => file));
  for (const { ref, diffId } of fresh.flatMap(({ found }) => found.layers)) parts.blobs.prove(ref.digest, diffId);
  if (fresh.length > 0) await syncDisk(parts.children, [parts.folders.layers, parts.folders.blobs], signal);
  const named = arrivals.map(({ found: { names, digests }, record }) => ({ record, names, digests }));
  return parts.mailbox.run(async () => {
    throwIfAborted(signal); // from here on they are there
    await parts.catalog.change(withImages(parts.catalog.state, named));
    return arrivals.map(({ found, record }) => ({ ...parts.catalog.imageOf(record), names: found.names }));
  });
}
