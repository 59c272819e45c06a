import { BerthError } from '../../src/base/errors.ts';
import type {
  Disk,
  Image,
  ImagePath,
  ImageStorage,
  Images,
  PullRequest,
  SnapshotUsage,
} from '../../src/engine/ports.ts';
import type { FakeHost } from './fake-host.ts';
import type { Power } from './power.ts';

export const testImage: Image = {
  id: `sha256:${'1'.repeat(64)}`,
  names: ['docker.io/library/test:latest'],
  digests: [`docker.io/library/test@sha256:${'2'.repeat(64)}`],
  isPinned: false,
  sizeBytes: 1_000,
  createdAt: undefined,
  architecture: 'amd64',
  config: { entrypoint: [], command: ['sleeper'], env: [], cwd: '', user: '', stopSignal: undefined, labels: {} },
  layers: 1,
};

/** The port Images with one image that is always there at first. A registry has every other one. */
export class FakeImages implements Images {
  readonly #host: FakeHost;
  readonly #power: Power;
  #images: readonly Image[] = [testImage];

  constructor(host: FakeHost, power: Power) {
    this.#host = host;
    this.#power = power;
  }

  list(): readonly Image[] {
    return this.#images;
  }

  find(name: string): Image {
    const found = this.#images.find((image) => image === testImage && name === 'test') ?? this.#calledBy(name);
    if (found !== undefined) return found;
    throw new BerthError('NotFound', `Cannot find image "${name}": there is none`, { field: 'image' });
  }

  import(): Promise<readonly Image[]> {
    return Promise.reject(new BerthError('Unsupported', 'no import in memory'));
  }

  pull({ name, onProgress }: PullRequest): Promise<Image> {
    return this.#slow(() => {
      const hex = Buffer.from(name).toString('hex').padEnd(64, '0').slice(-64);
      const digests = [`${name.replace(/[:@][^/]*$/, '')}@sha256:${hex}`];
      const names = name.includes('@') ? [] : [name];
      const image = this.#calledBy(name) ?? { ...testImage, id: `sha256:${hex}`, names, digests };
      if (!this.#images.includes(image)) this.#images = [...this.#images, image];
      onProgress({ step: 'done', bytes: image.sizeBytes });
      return image;
    });
  }

  removeAll(id: string): Promise<boolean> {
    return this.#slow(() => {
      this.find(id);
      this.#images = this.#images.filter((image) => image.id !== id);
      return true;
    });
  }

  prune(): Promise<readonly Image[]> {
    return this.#slow(() => {
      const removed = this.#images.filter(({ isPinned }) => !isPinned);
      this.#images = this.#images.filter(({ isPinned }) => isPinned);
      return removed;
    });
  }

  storage(): Promise<ImageStorage> {
    const usedBytes = this.#images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return Promise.resolve({ path: '/images', usedBytes, usedInodes: this.#images.length });
  }

  remove(): Promise<void> {
    return Promise.reject(new BerthError('Unsupported', 'no removal in memory'));
  }

  #calledBy(name: string): Image | undefined {
    return this.#images.find(({ id, names, digests }) => [id, ...names, ...digests].includes(name));
  }

  prepareSnapshot(containerId: string): Promise<void> {
    return this.#slow(() => void this.#host.snapshots.add(containerId));
  }

  removeSnapshot(containerId: string): Promise<void> {
    return this.#slow(() => void this.#host.snapshots.delete(containerId));
  }

  findSnapshots(): Promise<readonly string[]> {
    return this.#slow(() => [...this.#host.snapshots]);
  }

  snapshotUsages(containerIds: readonly string[]): Promise<ReadonlyMap<string, SnapshotUsage>> {
    const usage = { at: this.#host.clock.wall(), usedBytes: 4_096, usedInodes: 1 };
    return this.#slow(
      () => new Map(containerIds.filter((id) => this.#host.snapshots.has(id)).map((id) => [id, usage])),
    );
  }

  disk(): Promise<Disk> {
    return this.#slow(() => ({
      device: '/dev/fake',
      major: 8,
      minor: 0,
      totalBytes: 1_000_000,
      totalInodes: 1_000,
      freeInodes: 500,
    }));
  }

  mount(_containerId: string, target: string): Promise<void> {
    return this.#slow(async () => {
      await this.#host.clock.sleep(this.#host.mountMs);
      this.#host.mounts.add(target);
    });
  }

  unmount(target: string): Promise<void> {
    return this.#slow(() => void this.#host.mounts.delete(target));
  }

  mountVolume(containerId: string, _index: number, target: string): Promise<void> {
    return this.mount(containerId, target);
  }

  findPath(): Promise<ImagePath | undefined> {
    return Promise.resolve(undefined);
  }

  idmapTrouble(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  withImage<T>(_imageId: string, use: (rootfs: string) => Promise<T>): Promise<T> {
    return this.#power.live(() => use('/image'));
  }

  #slow<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#power.live(async () => {
      await this.#host.clock.sleep(this.#host.latencyMs());
      this.#power.need();
      return work();
    });
  }
}
