import { BerthError } from '../../src/base/errors.ts';
import type { Image, ImagePath, ImageStorage, Images } from '../../src/engine/ports.ts';
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

/** The port Images with one image that is always there. */
export class FakeImages implements Images {
  readonly #host: FakeHost;
  readonly #power: Power;

  constructor(host: FakeHost, power: Power) {
    this.#host = host;
    this.#power = power;
  }

  list(): readonly Image[] {
    return [testImage];
  }

  find(name: string): Image {
    if (name === 'test') return testImage;
    throw new BerthError('NotFound', `Cannot find image "${name}": there is none`, { field: 'image' });
  }

  import(): Promise<readonly Image[]> {
    return Promise.reject(new BerthError('Unsupported', 'no import in memory'));
  }

  pull(): Promise<Image> {
    return Promise.resolve(testImage);
  }

  removeAll(): Promise<boolean> {
    return Promise.reject(new BerthError('Unsupported', 'no removal in memory'));
  }

  prune(): Promise<readonly Image[]> {
    return Promise.resolve([]);
  }

  storage(): Promise<ImageStorage> {
    return Promise.resolve({ path: '/images', usedBytes: testImage.sizeBytes, usedInodes: 1 });
  }

  remove(): Promise<void> {
    return Promise.reject(new BerthError('Unsupported', 'no removal in memory'));
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
