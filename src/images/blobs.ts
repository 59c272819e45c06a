import { readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { BerthError } from '../base/errors.ts';
import { digestOf } from './digest.ts';
import type { StagedFile } from './staging.ts';
import { sumOf, usageOfFile } from './usage.ts';
import type { Usage } from './usage.ts';

/** The blobs of the OCI layout: files that are named after the digest of what is in them. */
export class Blobs {
  readonly #folder: string;
  /** By digest. Whatever is in the folder, also what a crash has left there. */
  readonly #files: Map<string, Usage>;
  /** Digest → bytes: those whose content is known to be what their names say. */
  readonly #whole = new Map<string, number>();
  /** Digest → the digest of the tar in it, where that was seen. */
  readonly #diffIds = new Map<string, string>();

  private constructor(folder: string, files: Map<string, Usage>) {
    this.#folder = folder;
    this.#files = files;
  }

  /** @param folder `…/blobs/sha256` */
  static async open(folder: string): Promise<Blobs> {
    const names = await readdir(folder);
    const files = await Promise.all(
      names.map(async (name) => [`sha256:${name}`, usageOfFile(await stat(`${folder}/${name}`))] as const),
    );
    return new Blobs(folder, new Map(files));
  }

  pathOf(digest: string): string {
    return `${this.#folder}/${digest.slice('sha256:'.length)}`;
  }

  /**
   * Moves files in, which have the digests that they say. Where there is such a blob it is replaced: should the old one
   * be damaged, it is whole again. They are on the disk when that is synced, which has to be before an image is
   * registered that needs them.
   */
  async add(files: readonly StagedFile[]): Promise<void> {
    const byDigest = new Map(files.map((file) => [file.digest, file])); // images in one archive share layers
    for (const [digest, { path, sizeBytes }] of byDigest) {
      await rename(path, this.pathOf(digest));
      this.#files.set(digest, usageOfFile(await stat(this.pathOf(digest))));
      this.#whole.set(digest, sizeBytes);
    }
  }

  /** Its size, if it is there and whole. */
  sizeOf(digest: string): number | undefined {
    return this.#whole.get(digest);
  }

  /** Takes it that a blob is what its name says, because a registered image needs it. */
  trust(digest: string, sizeBytes: number): void {
    if (this.#files.has(digest)) this.#whole.set(digest, sizeBytes);
  }

  /** Remembers that a blob of the store unpacks to this tar. */
  prove(digest: string, diffId: string): void {
    if (this.#files.has(digest)) this.#diffIds.set(digest, diffId);
  }

  isProven(digest: string, diffId: string): boolean {
    return digest === diffId || this.#diffIds.get(digest) === diffId;
  }

  /**
   * Reads a small one.
   * @throws BerthError Internal when its content is not what its name says
   */
  async read(digest: string): Promise<Buffer> {
    const content = await readFile(this.pathOf(digest));
    const found = digestOf(content);
    if (found === digest) return content;
    throw new BerthError('Internal', `Cannot read blob ${digest}: it is damaged, its digest is ${found}`);
  }

  async removeExcept(isNeeded: (digest: string) => boolean): Promise<void> {
    for (const digest of [...this.#files.keys()].filter((each) => !isNeeded(each))) {
      this.#whole.delete(digest);
      this.#diffIds.delete(digest);
      await rm(this.pathOf(digest), { force: true });
      this.#files.delete(digest);
    }
  }

  get usage(): Usage {
    return sumOf(this.#files.values());
  }
}
