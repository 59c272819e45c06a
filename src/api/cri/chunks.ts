import { Pace } from '../../base/pace.ts';

/** Clients take 16 MiB a message; a smaller one keeps the event loop for a shorter time while it is written. */
const CHUNK_BYTES = 256 << 10;

interface Encodes<T> {
  encode(item: T): { finish(): Uint8Array };
}

/** Puts items together to messages of some size, each item in one of them. No items make no message. */
export async function* inChunks<T>(
  items: Iterable<T> | AsyncIterable<T>,
  type: Encodes<T>,
): AsyncGenerator<readonly T[]> {
  const pace = new Pace();
  let chunk: T[] = [];
  let bytes = 0;
  for await (const item of items) {
    await pace.breathe();
    const size = type.encode(item).finish().length;
    if (chunk.length > 0 && bytes + size > CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
