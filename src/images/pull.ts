import { allOrNone } from '../base/all-or-none.ts';
import { throwIfAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import { Slots } from '../base/slots.ts';
import { formatSize } from '../base/units.ts';
import type { Image, PullProgress, RegistryAuth } from '../engine/ports.ts';
import { Budget } from './budget.ts';
import { withImages } from './catalog-state.ts';
import { collectGarbage } from './collect.ts';
import { refuseClosedLayer } from './documents.ts';
import { ensureLayer } from './ensure-layers.ts';
import { checkLayers } from './found-image.ts';
import { explainFullDisk } from './full-disk.ts';
import { arrivalKey, needsOf, readRecord } from './image-record.ts';
import type { ImageRecord, LayerRecord } from './image-record.ts';
import type { ImageParts } from './parts.ts';
import { formatPlatform, hostPlatform, isForHost } from './platform.ts';
import { readPulledManifest } from './pulled-manifest.ts';
import type { PulledManifest } from './pulled-manifest.ts';
import { formatReference } from './reference.ts';
import type { Reference } from './reference.ts';
import { Source } from './registry/source.ts';
import { openStaging } from './staging.ts';
import { syncDisk } from './sync-disk.ts';

export interface PullOptions {
  readonly auth: RegistryAuth | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
}

/**
 * Gets an image from its registry. What the store has already is not asked for again; nothing is registered before all of
 * it is there, checked, unpacked and on the disk.
 * @throws BerthError as the port's `pull`
 */
export async function pullImage(parts: ImageParts, reference: Reference, options: PullOptions): Promise<Image> {
  const { auth, signal, onProgress } = options;
  try {
    using source = await Source.open(reference, { settings: parts.registries, trust: parts.trust, auth });
    onProgress({ step: 'resolving', bytes: 0 });
    const digest = await source.resolve(signal);
    const image =
      (await nameKnown(parts, reference, digest)) ??
      (await pullUnknown(parts, source, { reference, digest, ...options }));
    onProgress({ step: 'done', bytes: image.sizeBytes });
    return image;
  } catch (error) {
    throw explainFullDisk(error, `Cannot pull "${formatReference(reference)}"`);
  } finally {
    await collectGarbage(parts);
  }
}

/** The image that has this digest already, which is called what it was asked for from now on. */
function nameKnown(parts: ImageParts, reference: Reference, digest: string): Promise<Image | undefined> {
  return parts.mailbox.run(async () => {
    const record = parts.catalog.withDigest(digest);
    return record === undefined ? undefined : register(parts, record, reference, digest);
  });
}

interface Unknown extends PullOptions {
  readonly reference: Reference;
  /** What the registry has under the reference: a manifest, or an index of several. */
  readonly digest: string;
}

async function pullUnknown(parts: ImageParts, source: Source, unknown: Unknown): Promise<Image> {
  const { reference, digest, signal, onProgress } = unknown;
  const pulled = await readPulledManifest(source, digest, signal);
  const { manifest } = pulled;
  for (const layer of manifest.layers) refuseClosedLayer(layer);
  refuseTooMuch(parts, pulled);
  const blobs = [pulled.ref, manifest.config, ...manifest.layers];
  using _blobs = await hold(
    parts,
    blobs.map((blob) => blob.digest),
  );
  await addManifest(parts, pulled);
  await parts.downloads.ensure(source, manifest.config, { signal, onBytes: () => undefined });
  const record = await readRecord(parts.blobs, pulled.ref);
  checkLayers(record.id, manifest.layers.length, record.document);
  refuseForeign(record);
  using _rest = await hold(parts, [arrivalKey(record.id), ...needsOf(record)]);
  if (!parts.catalog.state.images.has(record.id)) {
    for (const { blob } of record.layers) {
      onProgress({ step: 'downloading', layer: blob.digest, bytes: 0, totalBytes: blob.size });
    }
    await getLayers(parts, source, record, unknown);
    await syncDisk(parts.children, [parts.folders.layers, parts.folders.blobs], signal);
  }
  return parts.mailbox.run(() => {
    throwIfAborted(signal); // from here on it is there
    return register(parts, record, reference, digest);
  });
}

/** In the mailbox: between the look at what is there and the hold on it nothing may go. */
function hold({ mailbox, holds }: ImageParts, keys: readonly string[]): Promise<Disposable> {
  return mailbox.run(() => holds.take(keys));
}

async function addManifest({ blobs, folders }: ImageParts, { content }: PulledManifest): Promise<void> {
  await using staging = await openStaging(folders.received);
  await blobs.add([await staging.write(content)]);
}

/** Each is unpacked as soon as it is there, while others are still on their way. */
async function getLayers(parts: ImageParts, source: Source, record: ImageRecord, { signal, onProgress }: PullOptions) {
  const budget = new Budget(parts.limits);
  const downloading = new Slots(parts.registries.layersPerPull);
  const get = async (layer: LayerRecord, over: AbortSignal): Promise<void> => {
    const { digest, size } = layer.blob;
    const tell = (step: PullProgress['step'], bytes: number): void =>
      onProgress({ step, layer: digest, bytes, totalBytes: size });
    {
      using _ = await downloading.take(over);
      await parts.downloads.ensure(source, layer.blob, {
        signal: over,
        onBytes: (bytes) => tell('downloading', bytes),
      });
    }
    {
      using _ = await parts.unpacking.take(over);
      const onBytes = (_unpacked: number, read: number): void => tell('unpacking', read);
      await ensureLayer(parts, layer, parts.blobs.pathOf(digest), { budget, signal: over, onBytes });
    }
    tell('done', size);
  };
  await allOrNone(record.layers, get, signal);
}

/** To be called in the mailbox. The image comes first with what it was asked for. */
async function register(
  { catalog }: ImageParts,
  record: ImageRecord,
  reference: Reference,
  digest: string,
): Promise<Image> {
  const { registry, repository } = reference;
  const repoDigest = formatReference({ registry, repository, digest });
  const names = reference.digest === undefined ? [formatReference(reference)] : [];
  const { state } = catalog;
  const isNew =
    state.digests.get(repoDigest) !== record.id || names.some((name) => state.names.get(name) !== record.id);
  if (isNew) await catalog.change(withImages(state, [{ record, names, digests: [repoDigest] }]));
  const image = catalog.imageOf(catalog.get(record.id));
  return { ...image, names: firstOf(names, image.names), digests: firstOf([repoDigest], image.digests) };
}

function firstOf(first: readonly string[], all: readonly string[]): string[] {
  return [...first, ...all.filter((each) => !first.includes(each))];
}

/** What a manifest says of sizes may be false, but nothing larger than that is read. */
function refuseTooMuch({ limits }: ImageParts, { ref, manifest }: PulledManifest): void {
  const bytes = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  const most = limits.largestUnpackedBytes;
  if (bytes <= most) return;
  const fact = `its layers have ${formatSize(bytes)}, the limit is ${formatSize(most)}`;
  throw new BerthError('ResourceExhausted', `Cannot pull image ${ref.digest}: ${fact}`);
}

function refuseForeign({ id, document: { os, architecture, variant } }: ImageRecord): void {
  const platform = { os: os || hostPlatform.os, architecture: architecture || hostPlatform.architecture, variant };
  if (isForHost(platform)) return;
  const fact = `it is for ${formatPlatform(platform)}, this host is ${formatPlatform(hostPlatform)}`;
  throw new BerthError('Unsupported', `Cannot pull image ${id}: ${fact}`);
}
