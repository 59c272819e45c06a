import { mkdir, writeFile } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Mailbox } from '../base/mailbox.ts';
import type { Images } from '../engine/ports.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import { Blobs } from './blobs.ts';
import type { UnpackLimits } from './budget.ts';
import { loadCatalog } from './catalog.ts';
import { collectGarbage } from './collect.ts';
import { Holds } from './holds.ts';
import { importArchive } from './import.ts';
import { Layers } from './layers.ts';
import { EMPTY_LAYER, PADDING_LAYER, loadLayers } from './layer-records.ts';
import { findLeftovers } from './leftovers.ts';
import { imageFolders } from './parts.ts';
import type { ImageFolders, ImageParts } from './parts.ts';
import { prepareSnapshot } from './prepare-snapshot.ts';
import { probeOverlay } from './probe-overlay.ts';
import { removeTrees } from './remove-tree.ts';
import { removeImage } from './remove.ts';
import { Snapshots, loadSnapshots } from './snapshots.ts';
import { TemporaryMounts } from './temporary-mounts.ts';
import { withImage } from './view.ts';

export interface ImagesOptions {
  /** `/var/lib/berth`: holds `images`, an OCI layout, and `snapshots`, on one file system. */
  readonly root: string;
  /** On a tmpfs: `/run/berth`. */
  readonly runRoot: string;
  readonly children: Children;
  readonly thread: NamespaceThread;
  readonly log: Log;
  /** Of one import. */
  readonly limits: UnpackLimits;
}

/**
 * Opens the store of images, and removes what a crash left half done: mounts before this resolves, files after it.
 * @throws Error with the system's error name when its folders cannot be used
 */
export async function openImages(options: ImagesOptions): Promise<Images> {
  const { root, runRoot, children, thread, log, limits } = options;
  const folders = imageFolders(root);
  await makeFolders(folders);
  const temporary = new TemporaryMounts(`${runRoot}/tmp-mounts`, thread);
  await temporary.clear();

  const blobs = new Blobs(folders.blobs);
  const { catalog, isWhole } = await loadCatalog(`${folders.layout}/index.json`, blobs, log);
  const { known, halfLayers } = await loadLayers(folders);
  const layers = new Layers(children, folders, known);
  const leftovers = await findLeftovers(folders, halfLayers);
  const flags = await probeOverlay(temporary, folders, log);
  const snapshots = new Snapshots({ folders, children, thread, flags }, await loadSnapshots(folders));
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
    temporary,
  };
  void cleanUp(parts, leftovers, isWhole);
  return createImages(parts);
}

/** The port Images. Each verb is a function of its own; this is their list. */
function createImages(parts: ImageParts): Images {
  const { catalog, snapshots } = parts;
  return {
    list: () => catalog.list(),
    find: (name) => catalog.imageOf(catalog.find(name).record),
    import: (request) => importArchive(parts, request),
    remove: (name) => removeImage(parts, name),
    prepareSnapshot: (containerId, imageId) => prepareSnapshot(parts, containerId, imageId),
    removeSnapshot: (containerId) => snapshots.remove(containerId),
    findSnapshots: () => Promise.resolve(snapshots.containers),
    mount: (containerId, target) => snapshots.mount(containerId, target),
    unmount: (target) => snapshots.unmount(target),
    withImage: (imageId, use) => withImage(parts, imageId, use),
  };
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
  } catch (error) {
    parts.log.warn('image leftovers not removed', { reason: messageOf(error) });
  }
  if (isWhole) await collectGarbage(parts);
}
