import { mkdir, readdir, rm } from 'node:fs/promises';
import { isMissing } from '../base/errors.ts';
import type { Namespaces } from '../engine/ports.ts';
import type { NamespacePins } from '../engine/sandbox/state.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';

/** Namespaces of sandboxes, each kept by a bind mount on a file: no process has to sleep in them. */
export class PinnedNamespaces implements Namespaces {
  readonly #root: string;
  readonly #thread: NamespaceThread;

  /** @param root on a tmpfs: `/run/berth/ns` */
  constructor(root: string, thread: NamespaceThread) {
    this.#root = root;
    this.#thread = thread;
  }

  plan(sandboxId: string, kinds: readonly (keyof NamespacePins)[]): NamespacePins {
    return Object.fromEntries(kinds.map((kind) => [kind, `${this.#root}/${sandboxId}/${kind}`]));
  }

  async create(pins: NamespacePins, hostname: string): Promise<void> {
    for (const path of Object.values(pins)) await mkdir(folderOf(path), { recursive: true, mode: 0o700 });
    await this.#thread.call({ op: 'pin', paths: pins, hostname });
  }

  async remove(pins: NamespacePins): Promise<void> {
    const paths: string[] = Object.values(pins);
    for (const path of paths) await this.#thread.call({ op: 'unpin', path });
    for (const folder of new Set(paths.map(folderOf))) await rm(folder, { recursive: true, force: true });
  }

  async find(): Promise<readonly string[]> {
    try {
      return await readdir(this.#root);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
