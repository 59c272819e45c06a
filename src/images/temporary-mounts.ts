import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import type { NamespaceThread } from '../linux/namespaces.ts';

export interface OverlayMount {
  readonly options: string;
  /** The working directory for names in the options. */
  readonly folder: string;
  /** As mount(2) takes them. */
  readonly flags: number;
}

/** Mounts that last for one piece of work, at folders of their own on a tmpfs. */
export class TemporaryMounts {
  readonly #folder: string;
  readonly #thread: NamespaceThread;

  /** @param folder `/run/berth/tmp-mounts`; what is in it belongs to nobody else */
  constructor(folder: string, thread: NamespaceThread) {
    this.#folder = folder;
    this.#thread = thread;
  }

  /** Unmounts what an earlier daemon left. */
  async clear(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) await this.#remove(`${this.#folder}/${name}`);
  }

  async with<T>({ options, folder, flags }: OverlayMount, use: (path: string) => Promise<T>): Promise<T> {
    const target = `${this.#folder}/${randomBytes(8).toString('hex')}`;
    await mkdir(target, { mode: 0o700 });
    try {
      await this.#thread.call({
        op: 'mount',
        source: 'overlay',
        target,
        type: 'overlay',
        flags,
        data: options,
        folder,
      });
      return await use(target);
    } finally {
      await this.#remove(target);
    }
  }

  async #remove(target: string): Promise<void> {
    await this.#thread.call({ op: 'unmount', target });
    await rmdir(target);
  }
}
