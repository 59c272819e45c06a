import type { IdMappings } from '../../base/id-mappings.ts';

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly stopSignal: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Image {
  /** `sha256:<digest of the config>`. */
  readonly id: string;
  /** `registry/repository:tag`, in full. */
  readonly names: readonly string[];
  /** `registry/repository@sha256:…` of the manifest that it was pulled by, for each repository. */
  readonly digests: readonly string[];
  /** Nobody but a person removes it. */
  readonly isPinned: boolean;
  readonly sizeBytes: number;
  /** Unix ms. */
  readonly createdAt: number | undefined;
  readonly architecture: string;
  readonly config: ImageConfig;
  readonly layers: number;
}

export interface ImportProgress {
  readonly step: 'receiving' | 'layer' | 'done';
  /** Bytes so far. */
  readonly bytes: number;
  readonly layer?: string;
}

export interface ImportRequest {
  /** A tar stream: an OCI archive, a docker-archive, or the files of a root. */
  readonly content: AsyncIterable<Uint8Array>;
  /** For the files of a root, and to name an archive that has no name. */
  readonly name?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImportProgress) => void;
}

/** How somebody proves to a registry who they are. */
export type RegistryAuth =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth refresh token, for which the registry's token server gives access tokens. */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** Sent as it is. */
  | { readonly kind: 'registry-token'; readonly token: string };

export interface PullProgress {
  /** `done` with a layer: that one, without: the image. Every layer that has to be got is told at the beginning, with 0. */
  readonly step: 'resolving' | 'downloading' | 'unpacking' | 'done';
  /** The digest of the layer that this is about, as the manifest has it. */
  readonly layer?: string;
  /** Bytes so far, of the layer as it is downloaded or, when done, of the image. */
  readonly bytes: number;
  /** Of the layer, as the manifest says. */
  readonly totalBytes?: number;
}

export interface PullRequest {
  /** As it was asked for: `busybox`, `registry.k8s.io/pause:3.9`, `name@sha256:…`. */
  readonly name: string;
  readonly auth?: RegistryAuth;
  /** Ends the wait; the pull ends with the last one who waits for it, and leaves nothing then. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
}

/** What a snapshot is made with, beside the image. */
export interface SnapshotOptions {
  /** Whose users its root belongs to; left out: the host's. */
  readonly users?: IdMappings;
  /** Ids of other images, which the container sees as volumes. */
  readonly volumes?: readonly string[];
}

/** Something in an image. */
export interface ImagePath {
  /** From the image's root on, with every link resolved; empty for the root itself. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
}

/** The file system that images are kept on. */
export interface ImageStorage {
  readonly path: string;
  readonly usedBytes: number;
  readonly usedInodes: number;
}

/** What a container's own layer takes on the disk. */
export interface SnapshotUsage {
  /** When it was measured, Unix ms. */
  readonly at: number;
  readonly usedBytes: number;
  readonly usedInodes: number;
}

/** The file system that snapshots are on. */
export interface Disk {
  /** What it is mounted from: `/dev/vda`. */
  readonly device: string;
  readonly major: number;
  readonly minor: number;
  readonly totalBytes: number;
  /** 0 where inodes are made as they are needed. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export interface Images {
  list(): readonly Image[];
  /** @throws BerthError NotFound, or InvalidArgument when a prefix fits several */
  find(name: string): Image;
  import(request: ImportRequest): Promise<readonly Image[]>;
  /**
   * Gets an image from its registry, or from a mirror of that. Two pulls of one image, and of one layer, are one.
   * @returns the image, with what was asked for as its first name or digest
   * @throws BerthError NotFound, PermissionDenied, Unavailable, ResourceExhausted (the disk, or "too many requests"),
   *   Unsupported (nothing for this host), DeadlineExceeded (it stands still), InvalidArgument (what came is not what
   *   its digest says)
   */
  pull(request: PullRequest): Promise<Image>;
  /**
   * Removes the image with all its names and digests. One that a container was made from keeps its layers until that is
   * gone. Somebody else's removal of the same image is waited for.
   * @returns whether it was this call that removed it
   * @throws BerthError NotFound; Busy while it is pulled or imported
   */
  removeAll(id: string): Promise<boolean>;
  /** Removes what no container uses and nobody pulls, imports or has pinned. Returns what was removed. */
  prune(): Promise<readonly Image[]>;
  storage(): Promise<ImageStorage>;
  /** Removes the name or digest; the image itself goes with its last name. */
  remove(name: string): Promise<void>;

  /** What is at a path of the image, links followed inside of it; undefined: nothing. @throws BerthError NotFound */
  findPath(imageId: string, path: string): Promise<ImagePath | undefined>;
  /** Why no container's root can belong to users that are not the host's; undefined: it can. */
  idmapTrouble(): Promise<string | undefined>;

  /** Makes the container's own layer on top of the image. Doing it twice is as good as once. */
  prepareSnapshot(containerId: string, imageId: string, options?: SnapshotOptions): Promise<void>;
  removeSnapshot(containerId: string): Promise<void>;
  /** The ids of containers that have a snapshot. */
  findSnapshots(): Promise<readonly string[]>;
  /**
   * By container. It is measured in the background, now and then, while somebody asks; what is asked for the first time
   * is waited for, 3 s at the most. What cannot be measured is left out.
   */
  snapshotUsages(containerIds: readonly string[]): Promise<ReadonlyMap<string, SnapshotUsage>>;
  disk(): Promise<Disk>;
  /**
   * Mounts the container's root at a folder that exists.
   * @param userNamespace the file of the one whose users it belongs to
   */
  mount(containerId: string, target: string, userNamespace?: string): Promise<void>;
  /** Mounts one of its volumes likewise, read-only. */
  mountVolume(containerId: string, index: number, target: string, userNamespace?: string): Promise<void>;
  unmount(target: string): Promise<void>;
  /** Mounts the image itself, read-only, for as long as `use` takes. */
  withImage<T>(imageId: string, use: (rootfs: string) => Promise<T>): Promise<T>;
}
