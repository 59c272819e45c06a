import { BerthError } from './errors.ts';

/**
 * Waits for `promise`, but no longer than until `signal` aborts. Only the wait ends then: what the promise stands for
 * goes on, and a late failure of it is not reported here.
 * @throws BerthError Cancelled when the signal aborts first; the abort's own reason when that is a BerthError
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(abortError(signal));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    promise.catch(() => undefined); // its owner hears of it
  }
}

export function abortError(signal: AbortSignal): BerthError {
  if (signal.reason instanceof BerthError) return signal.reason;
  return new BerthError('Cancelled', 'Cannot wait any longer: the caller gave up', { cause: signal.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** Calls `act` when the signal aborts, or at once if it has aborted already. Disposing it ends that. */
export function whenAborted(signal: AbortSignal | undefined, act: () => void): Disposable {
  if (signal?.aborted === true) act();
  else signal?.addEventListener('abort', act, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', act) };
}
