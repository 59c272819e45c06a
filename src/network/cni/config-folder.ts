import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { FolderContent } from './folder-files.ts';
import { readConfigFolder } from './folder-files.ts';

/** Files are written in several steps, and each is an event. */
const SETTLE_MS = 100;

/**
 * A folder of network configurations, as it was when it was last read. It tells soon after a change that it should be
 * read again. Some changes the kernel does not tell: the folder comes or goes, or there are no watches left; so it has
 * to be read from time to time as well.
 */
export class ConfigFolder implements Disposable {
  readonly path: string;
  readonly #log: Log;
  readonly #onChange: () => void;
  #content: FolderContent = { kind: 'none', why: 'it has not been read yet' };
  #watcher: { readonly watcher: FSWatcher; readonly inode: number } | undefined;
  #settling: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #isClosed = false;

  constructor(path: string, log: Log, onChange: () => void) {
    this.path = path;
    this.#log = log;
    this.#onChange = onChange;
  }

  get content(): FolderContent {
    return this.#content;
  }

  /** What is read is parsed as a whole before it counts. A second call during a first one begins anew after it. */
  async read(): Promise<void> {
    while (this.#reading !== undefined) await this.#reading;
    this.#reading = this.#readOnce();
    try {
      await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#settling);
    this.#unwatch();
  }

  async #readOnce(): Promise<void> {
    await this.#watch(); // first, so that no change falls between the reading and the watching
    const content = await readConfigFolder(this.path);
    if (this.#isClosed || isDeepStrictEqual(content, this.#content)) return; // the same network stays the same object
    this.#content = content;
    this.#tell(content);
  }

  #tell(content: FolderContent): void {
    const { path: folder } = this;
    if (content.kind === 'network') {
      this.#log.info('network configuration read', { file: content.file, network: content.network.name });
    } else if (content.kind === 'none') {
      this.#log.info('there is no network configuration', { folder, why: content.why });
    } else {
      this.#log.warn('network configuration cannot be used', { file: content.file, why: content.why });
    }
  }

  /** A folder that was removed and made again is another one, of which the old watch tells nothing. */
  async #watch(): Promise<void> {
    const inode = await inodeOf(this.path);
    if (this.#isClosed) return;
    if (inode !== undefined && inode === this.#watcher?.inode) return;
    this.#unwatch();
    if (inode === undefined) return;
    try {
      const watcher = watch(this.path, { persistent: false }, () => this.#settle());
      watcher.on('error', () => this.#unwatch());
      this.#watcher = { watcher, inode };
    } catch (error) {
      // no more watches: what the caller reads from time to time has to do
      this.#log.debug('network configurations cannot be watched', { folder: this.path, error: messageOf(error) });
    }
  }

  #unwatch(): void {
    this.#watcher?.watcher.close();
    this.#watcher = undefined;
  }

  #settle(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#onChange();
    }, SETTLE_MS).unref();
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch {
    return undefined; // why it cannot be looked at is told by whoever reads it
  }
}
