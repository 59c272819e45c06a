import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import type { Image, ImportProgress, Images, PullProgress, PullRequest } from '../../src/engine/ports.ts';
import { openImages } from '../../src/images/index.ts';
import type { ImagesOptions, RegistrySettings } from '../../src/images/index.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { TEST_REGISTRIES } from '../support/registry-settings.ts';

export interface TestStore extends AsyncDisposable {
  readonly images: Images;
  readonly root: string;
  readonly options: ImagesOptions;
  load(archive: Buffer | AsyncIterable<Uint8Array>, options?: LoadOptions): Promise<readonly Image[]>;
  pull(name: string, options?: PullOptions): Promise<Image>;
  /** Another daemon on the same folders. */
  reopen(): Promise<Images>;
  /** Makes a container on top of the image, and mounts it. */
  mount(imageId: string, containerId?: string): Promise<string>;
  census(): Census;
}

interface LoadOptions {
  readonly name?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}

interface PullOptions extends Partial<Pick<PullRequest, 'auth' | 'signal'>> {
  readonly onProgress?: (progress: PullProgress) => void;
  /** Asked instead of the store's own. */
  readonly from?: Images;
}

/** How much there is of everything. */
export interface Census {
  readonly staged: readonly string[];
  readonly blobs: number;
  readonly layers: number;
  readonly mounts: readonly string[];
}

export const NOTHING: Census = { staged: [], blobs: 0, layers: 0, mounts: [] };

/** Leftovers are removed after the store is open, and layers after the last container that needs them. */
export async function untilClean(store: TestStore, wanted: Census): Promise<void> {
  while (JSON.stringify(store.census()) !== JSON.stringify(wanted)) await sleepFor(1);
}

const LIMITS = { largestUnpackedBytes: 1 << 30, mostEntries: 10_000 };

export interface StoreOptions {
  readonly limits?: Partial<typeof LIMITS>;
  /** Where the store is made; otherwise a fresh folder, which is removed at the end. */
  readonly root?: string;
  readonly registries?: Partial<RegistrySettings>;
  readonly pinned?: readonly string[];
}

export async function openStore({ limits = {}, root, registries, pinned }: StoreOptions = {}): Promise<TestStore> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-images-'));
  const options: ImagesOptions = {
    root: root ?? join(folder, 'root'),
    runRoot: join(folder, 'run'),
    children: new Children(() => false),
    thread: new NamespaceThread(),
    log: silentLog,
    limits: { ...LIMITS, ...limits },
    registries: { ...TEST_REGISTRIES, ...registries },
    pinned: pinned ?? [],
  };
  const images = await openImages(options).catch(async (error: unknown) => {
    await options.thread[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
    throw error;
  });
  return {
    images,
    root: options.root,
    options,
    load: (archive, { name, signal, onProgress } = {}) =>
      images.import({
        content: Buffer.isBuffer(archive) ? inChunks(archive) : archive,
        ...(name === undefined ? {} : { name }),
        signal: signal ?? new AbortController().signal,
        onProgress: onProgress ?? (() => undefined),
      }),
    pull: (name, { auth, signal, onProgress, from = images } = {}) =>
      from.pull({
        name,
        ...(auth === undefined ? {} : { auth }),
        signal: signal ?? new AbortController().signal,
        onProgress: onProgress ?? (() => undefined),
      }),
    reopen: () => openImages(options),
    mount: async (imageId, containerId = 'one') => {
      const target = join(folder, `mounted-${containerId}`);
      mkdirSync(target, { recursive: true });
      await images.prepareSnapshot(containerId, imageId);
      await images.mount(containerId, target);
      return target;
    },
    census: () => ({
      staged: [`${options.root}/images/staging`, `${options.root}/snapshots/staging`].flatMap((path) => namesIn(path)),
      blobs: namesIn(`${options.root}/images/blobs/sha256`).length,
      layers: namesIn(`${options.root}/snapshots/l`).filter((name) => !/^(empty|padding)$|\.json$/.test(name)).length,
      mounts: mountsBelow(folder),
    }),
    [Symbol.asyncDispose]: async () => {
      for (const target of mountsBelow(folder)) execFileSync('umount', ['-l', target]);
      await options.thread[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** In pieces of an odd size, so that nothing is found at the edges only. */
export async function* inChunks(content: Buffer, size = 30_011): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

function namesIn(folder: string): string[] {
  return readdirSync(folder);
}

/** The newest first. */
export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target.startsWith(`${folder}/`))
    .toReversed();
}
