import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { BerthError, errnoOf } from '../base/errors.ts';
import type { IdMappings } from '../base/id-mappings.ts';
import { outsideOf } from '../base/id-mappings.ts';
import { MS } from '../linux/abi.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import { overlayOptions, readonlyLayers } from './overlay.ts';
import { removeTrees } from './remove-tree.ts';
import type { TemporaryMounts } from './temporary-mounts.ts';
import { readUsedImages, writeUsedImages } from './used-images.ts';
import type { UsedImage } from './used-images.ts';

export interface SnapshotFolders {
  /** All snapshots, each in a folder named after its container. */
  readonly snapshots: string;
  readonly staging: string;
  readonly layers: string;
}

/** A container's own layer, on top of its image, and the other images that it sees as volumes. */
export interface Snapshot extends UsedImage {
  readonly volumes: readonly UsedImage[];
}

/** How a container's root is made. */
export interface SnapshotOrder {
  readonly images: readonly [UsedImage, ...UsedImage[]];
  /** Whose users it has, when not the host's. */
  readonly users: IdMappings | undefined;
}

export interface SnapshotParts {
  readonly folders: SnapshotFolders;
  readonly children: Children;
  readonly thread: NamespaceThread;
  readonly temporary: TemporaryMounts;
  /** Options that this kernel takes. */
  readonly flags: readonly string[];
}

/**
 * The containers' own layers: `upper` and `work` for overlay, and links whose targets are the record: `image` and
 * `layers`, and `image-1` and `layers-1` of its first volume. A journalling file system has a link's target on the disk no later than the rename that puts the folder in
 * its place, so making a container waits for no flush.
 */
export class Snapshots {
  readonly #parts: SnapshotParts;
  readonly #known: Map<string, Snapshot>;

  constructor(parts: SnapshotParts, known: ReadonlyMap<string, Snapshot>) {
    this.#parts = parts;
    this.#known = new Map(known);
  }

  get containers(): string[] {
    return [...this.#known.keys()];
  }

  /** A container that uses the image. */
  userOf(imageId: string): string | undefined {
    return [...this.#known].find(([, snapshot]) => usedBy(snapshot).some((used) => used.imageId === imageId))?.[0];
  }

  /** Ids of the images that a container uses, as far as they are known. */
  imagesOf(containerId: string): string[] {
    const known = this.#known.get(containerId);
    return known === undefined ? [] : usedBy(known).flatMap(({ imageId }) => imageId ?? []);
  }

  /** Names of the layers that snapshots are on top of. */
  get layers(): Set<string> {
    return new Set([...this.#known.values()].flatMap((snapshot) => usedBy(snapshot).flatMap(({ lower }) => lower)));
  }

  /**
   * From here on the images are in use.
   * @param volumes ids of images
   * @returns false when the container has a snapshot of it already
   * @throws BerthError AlreadyExists when it has one of another image
   */
  reserve(containerId: string, imageId: string, volumes: readonly string[]): boolean {
    const known = this.#known.get(containerId);
    if (known === undefined) this.#known.set(containerId, { ...unknown(imageId), volumes: volumes.map(unknown) });
    if (known === undefined || known.imageId === imageId) return known === undefined;
    throw new BerthError('AlreadyExists', `Cannot prepare snapshot "${containerId}": it is there for another image`);
  }

  release(containerId: string): void {
    this.#known.delete(containerId);
  }

  /** @throws BerthError Unsupported when there are too many layers to be mounted */
  async make(containerId: string, { images, users }: SnapshotOrder): Promise<void> {
    const [{ imageId, lower }, ...volumes] = images;
    this.#options(containerId, lower, users !== undefined);
    for (const volume of volumes) overlayOptions({ lower: readonlyLayers(volume.lower) });
    const folder = `${this.#parts.folders.staging}/${randomBytes(8).toString('hex')}`;
    try {
      const { mode, uid, gid } = await stat(`${this.#parts.folders.layers}/${lower[0] ?? ''}`);
      for (const path of [folder, `${folder}/upper`, `${folder}/work`]) await mkdir(path, { mode: 0o700 });
      // overlay shows the upper folder's owner as the root's, and only what is below is mapped
      const owner = users === undefined ? { uid, gid } : mapOwner(users, { uid, gid });
      await chown(`${folder}/upper`, owner.uid, owner.gid);
      await chmod(`${folder}/upper`, mode & 0o7777);
      await writeUsedImages(folder, images);
      await rename(folder, this.#pathOf(containerId));
    } catch (error) {
      await removeTrees(this.#parts.children, [folder]);
      const isThere = errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST';
      if (!isThere) throw error;
    }
    this.#known.set(containerId, { imageId, lower, volumes });
  }

  /**
   * Mounts the container's root.
   * @param userNamespace the file of the one whose users its files belong to
   * @throws BerthError NotFound when it was not prepared; an Error with the system's error name
   */
  async mount(containerId: string, target: string, userNamespace?: string): Promise<void> {
    const snapshot = this.#known.get(containerId);
    if (snapshot === undefined || snapshot.lower.length === 0) {
      throw new BerthError('NotFound', `Cannot mount snapshot "${containerId}": it was not prepared`);
    }
    // A volatile overlay leaves a mark, and with it the kernel refuses the next mount. After a crash of the host the
    // container's files may be incomplete, as on any disk without fsync; a container that is started again keeps them.
    await rm(`${this.#pathOf(containerId)}/work/work/incompat`, { recursive: true, force: true });
    await this.#mount(
      target,
      0,
      this.#options(containerId, snapshot.lower, userNamespace !== undefined),
      userNamespace,
    );
  }

  /**
   * Mounts one of the images that it sees as volumes. Nothing in it can be written.
   * @param index 0: the first one
   * @throws BerthError NotFound; an Error with the system's error name
   */
  async mountVolume(containerId: string, index: number, target: string, userNamespace?: string): Promise<void> {
    const volume = this.#known.get(containerId)?.volumes[index];
    if (volume === undefined || volume.lower.length === 0) {
      throw new BerthError('NotFound', `Cannot mount volume ${index} of "${containerId}": it was not prepared`);
    }
    const options = overlayOptions({ lower: readonlyLayers(volume.lower) });
    await this.#mount(target, MS.RDONLY | MS.NOSUID | MS.NODEV, options, userNamespace);
  }

  async #mount(target: string, flags: number, data: string, userNamespace: string | undefined): Promise<void> {
    const { thread, folders, temporary } = this.#parts;
    const idmap = userNamespace === undefined ? {} : { idmap: { userNamespace, place: temporary.newPath() } };
    const type = 'overlay';
    await thread.call({ op: 'mount', source: type, target, type, flags, data, folder: folders.layers, ...idmap });
  }

  /** What is not mounted is unmounted already. */
  async unmount(target: string): Promise<void> {
    await this.#parts.thread.call({ op: 'unmount', target });
  }

  async remove(containerId: string): Promise<void> {
    await removeTrees(this.#parts.children, [this.#pathOf(containerId)]);
    this.#known.delete(containerId);
  }

  /** The folder with what the container has written. */
  upperOf(containerId: string): string {
    return `${this.#pathOf(containerId)}/upper`;
  }

  /** @param isElsewhere the layers are seen at another place than their own, so the container's folder is named in full */
  #options(containerId: string, lower: readonly string[], isElsewhere: boolean): string {
    const { folders } = this.#parts;
    const path = this.#pathOf(containerId);
    const folder = isElsewhere ? path : relative(folders.layers, path);
    return overlayOptions({
      lower,
      own: { upper: `${folder}/upper`, work: `${folder}/work` },
      flags: this.#parts.flags,
    });
  }

  #pathOf(containerId: string): string {
    if (/^[a-zA-Z0-9][\w.-]*$/.test(containerId)) return `${this.#parts.folders.snapshots}/${containerId}`;
    throw new BerthError('InvalidArgument', `Cannot use snapshot "${containerId}": it is no container id`);
  }
}

export async function loadSnapshots({ snapshots }: SnapshotFolders): Promise<Map<string, Snapshot>> {
  const known = new Map<string, Snapshot>();
  for (const containerId of await readdir(snapshots)) {
    const [own, ...volumes] = await readUsedImages(`${snapshots}/${containerId}`);
    known.set(containerId, { ...own, volumes });
  }
  return known;
}

/** All images that a container uses. */
export function usedBy(snapshot: Snapshot): readonly UsedImage[] {
  return [snapshot, ...snapshot.volumes];
}

function unknown(imageId: string): UsedImage {
  return { imageId, lower: [] };
}

/** An owner whom the namespace does not have is nobody's in it, and stays what he is. */
function mapOwner({ uids, gids }: IdMappings, { uid, gid }: { readonly uid: number; readonly gid: number }) {
  return { uid: outsideOf(uids, uid) ?? uid, gid: outsideOf(gids, gid) ?? gid };
}
