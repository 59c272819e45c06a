/**
 * Does several things at once. When one fails the others are told to stop.
 * @param signal of the whole
 * @returns when all have ended
 * @throws what failed first
 */
export async function allOrNone<T>(
  items: readonly T[],
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const failures: unknown[] = [];
  await Promise.all(
    items.map(async (item) => {
      try {
        await work(item, either);
      } catch (error) {
        failures.push(error);
        over.abort(error);
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
}
