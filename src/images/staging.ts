import { createHash, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rm } from 'node:fs/promises';

/** A file that is not part of the store yet. */
export interface StagedFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** A folder for what is on its way in, on the store's file system, so that files can be moved from it. */
export interface Staging extends AsyncDisposable {
  create(): Promise<StagedWriter>;
  write(content: Uint8Array): Promise<StagedFile>;
  remove(file: StagedFile): Promise<void>;
}

/** Writes one file and digests it on the way. */
export class StagedWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #hash = createHash('sha256');
  #sizeBytes = 0;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Written so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
    await this.#file.writeFile(chunk);
  }

  /** Forgets what was written. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash('sha256');
    this.#sizeBytes = 0;
  }

  /** To be called once, after the last write. */
  finish(): StagedFile {
    return { path: this.#path, digest: `sha256:${this.#hash.digest('hex')}`, sizeBytes: this.#sizeBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

export async function openStaging(parent: string): Promise<Staging> {
  const folder = `${parent}/${randomBytes(8).toString('hex')}`;
  await mkdir(folder, { mode: 0o700 });
  let count = 0;
  const create = async (): Promise<StagedWriter> => {
    const path = `${folder}/${count++}`;
    return new StagedWriter(path, await open(path, 'ax', 0o600));
  };
  return {
    create,
    write: async (content) => {
      await using writer = await create();
      await writer.write(content);
      return writer.finish();
    },
    remove: ({ path }) => rm(path, { force: true }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
