import { throwIfAborted, untilAborted } from '../base/abort.ts';

/**
 * The same stream, which fails with Cancelled when the signal aborts, also while its source keeps silent. The source is
 * told that nobody reads it any more, but what it makes of that is not waited for.
 */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await untilAborted(iterator.next(), signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    iterator.return?.().catch(() => undefined); // its owner hears of what goes wrong there
  }
}
