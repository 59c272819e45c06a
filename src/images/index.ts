import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Mailbox } from '../base/mailbox.ts';
import { Slots } from '../base/slots.ts';
import type { ImageStorage, Images } from '../engine/ports.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import { Blobs } from './blobs.ts';
import type { UnpackLimits } from './budget.ts';
import type { Catalog } from './catalog.ts';
import { loadCatalog } from './catalog.ts';
import { collectGarbage } from './collect.ts';
import { readDisk } from './disk.ts';
import { Downloads } from './downloads.ts';
import { Holds } from './holds.ts';
import { needsOf } from './image-record.ts';
import { importArchive } from './import.ts';
import { Layers } from './layers.ts';
import { EMPTY_LAYER, PADDING_LAYER, loadLayers } from './layer-records.ts';
import { findPath } from './find-path.ts';
import { idmapTrouble } from './idmap-trouble.ts';
import { findLeftovers } from './leftovers.ts';
import { imageFolders } from './parts.ts';
import type { ImageFolders, ImageParts } from './parts.ts';
import { prepareSnapshot } from './prepare-snapshot.ts';
import { probeOverlay } from './probe-overlay.ts';
import { pruneImages } from './prune.ts';
import { Pulls } from './pulls.ts';
import { normaliseName } from './reference.ts';
import { checkMirrors } from './registry/endpoints.ts';
import type { RegistrySettings } from './registry/settings.ts';
import { Trust } from './registry/trust.ts';
import { Removals } from './remove-all.ts';
import { removeSnapshot } from './remove-snapshot.ts';
import { removeTrees } from './remove-tree.ts';
import { removeImage } from './remove.ts';
import { SnapshotUsages } from './snapshot-usage.ts';
import { Snapshots, loadSnapshots, usedBy } from './snapshots.ts';
import type { Snapshot } from './snapshots.ts';
import { TemporaryMounts } from './temporary-mounts.ts';
import { sumOf } from './usage.ts';
import { withImage } from './view.ts';

export type { RegistryEntry, RegistrySettings } from './registry/settings.ts';

export interface ImagesOptions {
  /** `/var/lib/berth`: holds `images`, an OCI layout, and `snapshots`, on one file system. */
  readonly root: string;
  /** On a tmpfs: `/run/berth`. */
  readonly runRoot: string;
  readonly children: Children;
  readonly thread: NamespaceThread;
  readonly log: Log;
  /** Of one import or pull. */
  readonly limits: UnpackLimits;
  readonly registries: RegistrySettings;
  /** Names of images that `prune` leaves alone. */
  readonly pinned: readonly string[];
}

/**
 * Opens the store of images, and removes what a crash left half done: mounts before this resolves, files after it.
 * @throws Error with the system's error name when its folders cannot be used; BerthError InvalidArgument for a pinned name
 *   or a mirror that is none
 */
export async function openImages(options: ImagesOptions): Promise<Images> {
  const { root, runRoot, children, thread, log, limits, registries } = options;
  checkMirrors(registries);
  const pinned = new Set(options.pinned.map(normaliseName));
  const folders = imageFolders(root);
  await makeFolders(folders);
  const temporary = new TemporaryMounts(`${runRoot}/tmp-mounts`, thread);
  await temporary.clear();

  const blobs = await Blobs.open(folders.blobs);
  const { catalog, isWhole } = await loadCatalog(`${folders.layout}/index.json`, { blobs, pinned, log });
  trustBlobs(blobs, catalog);
  const found = await loadSnapshots(folders);
  const { known, halfLayers } = await loadLayers(folders, isWhole ? neededBy(catalog, found) : () => true);
  const layers = new Layers(children, folders, known);
  const leftovers = await findLeftovers(folders, halfLayers);
  const flags = await probeOverlay(temporary, folders, log);
  const snapshots = new Snapshots({ folders, children, thread, temporary, flags }, found);
  const parts: ImageParts = {
    children,
    log,
    limits,
    folders,
    mailbox: new Mailbox(),
    holds: new Holds(),
    blobs,
    catalog,
    layers,
    snapshots,
    usages: new SnapshotUsages({ children, log, upperOf: (containerId) => snapshots.upperOf(containerId) }),
    temporary,
    registries,
    trust: new Trust(registries.env),
    downloads: new Downloads(blobs, folders.received, registries.layersAtOnce),
    unpacking: new Slots(Math.max(2, availableParallelism())),
  };
  void cleanUp(parts, leftovers, isWhole);
  return createImages(parts);
}

/** The port Images. Each verb is a function of its own; this is their list. */
function createImages(parts: ImageParts): Images {
  const { catalog, snapshots, usages } = parts;
  const pulls = new Pulls(parts);
  const removals = new Removals(parts);
  return {
    list: () => catalog.list(),
    find: (name) => catalog.imageOf(catalog.find(name).record),
    import: (request) => importArchive(parts, request),
    pull: (request) => pulls.pull(request),
    remove: (name) => removeImage(parts, name),
    removeAll: (id) => removals.removeAll(id),
    prune: () => pruneImages(parts),
    storage: () => Promise.resolve(storageOf(parts)),
    prepareSnapshot: (containerId, imageId, snapshot) => prepareSnapshot(parts, containerId, imageId, snapshot),
    removeSnapshot: (containerId) => removeSnapshot(parts, containerId),
    findSnapshots: () => Promise.resolve(snapshots.containers),
    snapshotUsages: (containerIds) => usages.of(containerIds),
    disk: () => readDisk(parts.folders.snapshots),
    mount: (containerId, target, userNamespace) => snapshots.mount(containerId, target, userNamespace),
    mountVolume: (containerId, index, target, userNamespace) =>
      snapshots.mountVolume(containerId, index, target, userNamespace),
    findPath: (imageId, path) => findPath(parts, imageId, path),
    idmapTrouble: idmapTrouble(parts),
    unmount: (target) => snapshots.unmount(target),
    withImage: (imageId, use) => withImage(parts, imageId, use),
  };
}

/** What a registered image needs was on the disk when it was registered. */
function trustBlobs(blobs: Blobs, { state }: Catalog): void {
  for (const { manifest, config, layers } of state.images.values()) {
    for (const { digest, size } of [manifest, config, ...layers.map(({ blob }) => blob)]) blobs.trust(digest, size);
    for (const { blob, diffId } of layers) blobs.prove(blob.digest, diffId);
  }
}

function neededBy({ state }: Catalog, snapshots: ReadonlyMap<string, Snapshot>): (key: string) => boolean {
  const lower = [...snapshots.values()].flatMap((snapshot) => usedBy(snapshot).flatMap((used) => used.lower));
  const needed = new Set([...[...state.images.values()].flatMap(needsOf), ...lower]);
  return (key) => needed.has(key);
}

/** From figures that are kept, so that asking for it costs nothing. */
function storageOf({ blobs, layers, folders }: ImageParts): ImageStorage {
  const { bytes, inodes } = sumOf([blobs.usage, layers.usage]);
  return { path: folders.layout, usedBytes: bytes, usedInodes: inodes };
}

/** Nobody but root comes near the layers: there are setuid programs in them. */
async function makeFolders(folders: ImageFolders): Promise<void> {
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of [EMPTY_LAYER, PADDING_LAYER]) {
    await mkdir(`${folders.layers}/${name}`, { recursive: true, mode: 0o755 });
  }
  await writeFile(`${folders.layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}', { mode: 0o600 });
}

/** Where an image could not be read, what nobody seems to need is left for a person to look at. */
async function cleanUp(parts: ImageParts, leftovers: readonly string[], isWhole: boolean): Promise<void> {
  try {
    await removeTrees(parts.children, leftovers);
    await parts.layers.measureRest();
  } catch (error) {
    parts.log.warn('image store not tidied up', { reason: messageOf(error) });
  }
  if (isWhole) await collectGarbage(parts);
}
