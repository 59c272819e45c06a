import { setTimeout as sleepFor } from 'node:timers/promises';

/**
 * Waits for work whose rest is `left()`, as long as the rest gets smaller. False: it stood still for `ms`.
 * @param left of any unit; only asked every `ms`
 */
export async function unlessStalled(work: Promise<unknown>, left: () => number, ms: number): Promise<boolean> {
  const over = new AbortController();
  const isDone = work.then(() => true);
  try {
    for (let before = left(); ; before = left()) {
      const late = sleepFor(ms, false, { signal: over.signal });
      late.catch(() => undefined); // aborted below, when the work is done
      if (await Promise.race([isDone, late])) return true;
      if (left() >= before) return false;
    }
  } finally {
    over.abort();
  }
}
