import type { StagedFile, StagedWriter, Staging } from './staging.ts';

/** Keeps a stream's bytes as they came, from its first one on, until it is known whether they are wanted. */
export class RawCopy implements AsyncDisposable {
  readonly #staging: Staging;
  #waiting: Uint8Array[] | undefined = [];
  #writer: StagedWriter | undefined;
  #stream: AsyncGenerator<Uint8Array, void, void> | undefined;

  constructor(staging: Staging) {
    this.#staging = staging;
  }

  through(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.#stream = this.#copy(source);
    return this.#stream;
  }

  async *#copy(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      if (this.#writer === undefined) this.#waiting?.push(chunk);
      else await this.#writer.write(chunk);
      yield chunk;
    }
  }

  /** They are wanted: from here on they go to a file. */
  async keep(): Promise<void> {
    const writer = await this.#staging.create();
    // The stream is read ahead, so chunks may be added while the ones before them are being written.
    for (let chunk = this.#waiting?.shift(); chunk !== undefined; chunk = this.#waiting?.shift()) {
      await writer.write(chunk);
    }
    this.#waiting = undefined;
    this.#writer = writer;
  }

  drop(): void {
    this.#waiting = undefined;
  }

  /**
   * To be called when everything wanted was read. A decompressor may stop before the stream's end, at padding after its
   * own; then this is the copy of what it took.
   * @returns undefined unless it was to be kept
   */
  async finish(): Promise<StagedFile | undefined> {
    await this.#stream?.return();
    return this.#writer?.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
  }
}
