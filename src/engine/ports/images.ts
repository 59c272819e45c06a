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
  readonly names: readonly string[];
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

export interface Images {
  list(): readonly Image[];
  /** @throws BerthError NotFound, or InvalidArgument when a prefix fits several */
  find(name: string): Image;
  import(request: ImportRequest): Promise<readonly Image[]>;
  /** Removes the name; the image itself goes with its last name. */
  remove(name: string): Promise<void>;

  /** Makes the container's own layer on top of the image. Doing it twice is as good as once. */
  prepareSnapshot(containerId: string, imageId: string): Promise<void>;
  removeSnapshot(containerId: string): Promise<void>;
  /** The ids of containers that have a snapshot. */
  findSnapshots(): Promise<readonly string[]>;
  /** Mounts the container's root at a folder that exists. */
  mount(containerId: string, target: string): Promise<void>;
  unmount(target: string): Promise<void>;
  /** Mounts the image itself, read-only, for as long as `use` takes. */
  withImage<T>(imageId: string, use: (rootfs: string) => Promise<T>): Promise<T>;
}
