import { setTimeout as sleepFor } from 'node:timers/promises';

/** A reader hears of progress no more often than that. */
const TELL_EVERY_MS = 50;

/**
 * The progress of work as lines, and its outcome as the last one. A reader that is slow, or for whom there is too much to
 * tell, hears the newest of each kind only, so that nothing piles up.
 * @param begin starts the work; it is given what it may tell with
 * @param kindOf progress of the same kind takes the place of what was not told yet
 * @throws what the work throws, after what it told before
 */
export async function* progressLines<P extends object, T>(
  begin: (tell: (progress: P) => void) => Promise<T>,
  kindOf: (progress: P) => string,
  lastLine: (result: T) => object,
): AsyncGenerator<object, void, void> {
  const waiting = new Map<string, P>();
  let wake: () => void = () => undefined;
  let isOver = false;
  const work = begin((progress) => {
    const kind = kindOf(progress);
    waiting.delete(kind); // so that it comes after what was told of others before
    waiting.set(kind, progress);
    wake();
  }).finally(() => {
    isOver = true;
    wake();
  });
  work.catch(() => undefined); // it is awaited below, unless the reader has gone
  for (;;) {
    const news = [...waiting.values()];
    waiting.clear();
    for (const progress of news) yield { kind: 'progress', ...progress };
    if (isOver && waiting.size === 0) break;
    const settled = work.catch(() => undefined);
    if (news.length > 0) await Promise.race([sleepFor(TELL_EVERY_MS), settled]);
    if (waiting.size === 0 && !isOver) await new Promise<void>((resolve) => (wake = resolve));
  }
  yield lastLine(await work);
}
