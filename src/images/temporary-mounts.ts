import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import type { NamespaceThread } from '../linux/namespaces.ts';

export interface OverlayMount {
  readonly options: string;
  /** The working directory for names in the options. */
  readonly folder: string;
  /** As mount(2) takes them. */
  readonly flags: number;
  /** The file of the one whose users the files belong to; left out: to the host's. */
  readonly userNamespace?: string;
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

  /** Where nothing is; what is left there goes with the next daemon's start. */
  newPath(): string {
    return `${this.#folder}/${randomBytes(8).toString('hex')}`;
  }

  async with<T>(
    { options, folder, flags, userNamespace }: OverlayMount,
    use: (path: string) => Promise<T>,
  ): Promise<T> {
    const target = this.newPath();
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
        ...(userNamespace === undefined ? {} : { idmap: { userNamespace, place: this.newPath() } }),
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
