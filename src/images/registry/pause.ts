import { setTimeout as sleepFor } from 'node:timers/promises';
import { abortError, throwIfAborted } from '../../base/abort.ts';

/** @throws BerthError Cancelled */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  try {
    await sleepFor(ms, undefined, { signal });
  } catch {
    throw abortError(signal); // nothing else ends a timer early
  }
}
