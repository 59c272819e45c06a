import { createHash } from 'node:crypto';
import { readFile, readdir, rename, rm } from 'node:fs/promises';
import { BerthError } from '../base/errors.ts';
import { syncFile, syncFolder } from './durable.ts';
import type { StagedFile } from './staging.ts';

/** The blobs of the OCI layout: files that are named after the digest of what is in them. */
export class Blobs {
  readonly #folder: string;

  /** @param folder `…/blobs/sha256` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(digest: string): string {
    return `${this.#folder}/${digest.slice('sha256:'.length)}`;
  }

  /** Moves files in. Where there is such a blob it is replaced: should the old one be damaged, it is whole again. */
  async add(files: readonly StagedFile[]): Promise<void> {
    const byDigest = new Map(files.map(({ digest, path }) => [digest, path])); // images in one archive share layers
    for (const [digest, path] of byDigest) {
      await syncFile(path);
      await rename(path, this.pathOf(digest));
    }
    await syncFolder(this.#folder);
  }

  /**
   * Reads a small one.
   * @throws BerthError Internal when its content is not what its name says
   */
  async read(digest: string): Promise<Buffer> {
    const content = await readFile(this.pathOf(digest));
    const found = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    if (found === digest) return content;
    throw new BerthError('Internal', `Cannot read blob ${digest}: it is damaged, its digest is ${found}`);
  }

  async removeExcept(isNeeded: (digest: string) => boolean): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!isNeeded(`sha256:${name}`)) await rm(`${this.#folder}/${name}`, { force: true });
    }
  }
}
