import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { relative } from 'node:path';
import { BerthError, errnoOf, isMissing } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import { overlayOptions } from './overlay.ts';
import { removeTrees } from './remove-tree.ts';

export interface SnapshotFolders {
  /** All snapshots, each in a folder named after its container. */
  readonly snapshots: string;
  readonly staging: string;
  readonly layers: string;
}

/** A container's own layer. What it is on top of is unknown when its removal was cut off by a crash. */
export interface Snapshot {
  readonly imageId: string | undefined;
  /** Names of layers, the top one first. */
  readonly lower: readonly string[];
}

export interface SnapshotParts {
  readonly folders: SnapshotFolders;
  readonly children: Children;
  readonly thread: NamespaceThread;
  /** Options that this kernel takes. */
  readonly flags: readonly string[];
}

/**
 * The containers' own layers: `upper` and `work` for overlay, and two links whose targets are the record, `image` and
 * `layers`. A journalling file system has a link's target on the disk no later than the rename that puts the folder in
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
    return [...this.#known].find(([, snapshot]) => snapshot.imageId === imageId)?.[0];
  }

  imageOf(containerId: string): string | undefined {
    return this.#known.get(containerId)?.imageId;
  }

  /** Names of the layers that snapshots are on top of. */
  get layers(): Set<string> {
    return new Set([...this.#known.values()].flatMap(({ lower }) => lower));
  }

  /**
   * From here on the image is in use.
   * @returns false when the container has a snapshot of it already
   * @throws BerthError AlreadyExists when it has one of another image
   */
  reserve(containerId: string, imageId: string): boolean {
    const known = this.#known.get(containerId);
    if (known === undefined) this.#known.set(containerId, { imageId, lower: [] });
    if (known === undefined || known.imageId === imageId) return known === undefined;
    throw new BerthError('AlreadyExists', `Cannot prepare snapshot "${containerId}": it is there for another image`);
  }

  release(containerId: string): void {
    this.#known.delete(containerId);
  }

  /** @throws BerthError Unsupported when there are too many layers to be mounted */
  async make(containerId: string, snapshot: Snapshot & { readonly imageId: string }): Promise<void> {
    const { imageId, lower } = snapshot;
    this.#options(containerId, lower);
    const folder = `${this.#parts.folders.staging}/${randomBytes(8).toString('hex')}`;
    try {
      const { mode, uid, gid } = await stat(`${this.#parts.folders.layers}/${lower[0] ?? ''}`);
      for (const path of [folder, `${folder}/upper`, `${folder}/work`]) await mkdir(path, { mode: 0o700 });
      await chown(`${folder}/upper`, uid, gid); // overlay shows the upper folder's as those of the root
      await chmod(`${folder}/upper`, mode & 0o7777);
      await symlink(imageId, `${folder}/image`);
      await symlink(lower.join(':'), `${folder}/layers`);
      await rename(folder, this.#pathOf(containerId));
    } catch (error) {
      await removeTrees(this.#parts.children, [folder]);
      const isThere = errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST';
      if (!isThere) throw error;
    }
    this.#known.set(containerId, snapshot);
  }

  /**
   * Mounts the container's root.
   * @throws BerthError NotFound when it was not prepared; an Error with the system's error name
   */
  async mount(containerId: string, target: string): Promise<void> {
    const snapshot = this.#known.get(containerId);
    if (snapshot === undefined || snapshot.lower.length === 0) {
      throw new BerthError('NotFound', `Cannot mount snapshot "${containerId}": it was not prepared`);
    }
    // A volatile overlay leaves a mark, and with it the kernel refuses the next mount. After a crash of the host the
    // container's files may be incomplete, as on any disk without fsync; a container that is started again keeps them.
    await rm(`${this.#pathOf(containerId)}/work/work/incompat`, { recursive: true, force: true });
    await this.#parts.thread.call({
      op: 'mount',
      source: 'overlay',
      target,
      type: 'overlay',
      flags: 0,
      data: this.#options(containerId, snapshot.lower),
      folder: this.#parts.folders.layers,
    });
  }

  /** What is not mounted is unmounted already. */
  async unmount(target: string): Promise<void> {
    await this.#parts.thread.call({ op: 'unmount', target });
  }

  async remove(containerId: string): Promise<void> {
    await removeTrees(this.#parts.children, [this.#pathOf(containerId)]);
    this.#known.delete(containerId);
  }

  #options(containerId: string, lower: readonly string[]): string {
    const { folders } = this.#parts;
    const folder = relative(folders.layers, this.#pathOf(containerId));
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
    const folder = `${snapshots}/${containerId}`;
    const [imageId, lower] = await Promise.all([linkText(`${folder}/image`), linkText(`${folder}/layers`)]);
    known.set(containerId, { imageId, lower: lower?.split(':') ?? [] });
  }
  return known;
}

async function linkText(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}
