import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/**
 * Lets work go on whose failure nobody waits for; the promise never rejects. Such work sees to its own failures: one
 * that gets here is a bug, and is told instead of ending the daemon, in which everything else still works.
 */
export async function detached(log: Log, what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    log.error('unexpected failure', { what, error: messageOf(error), stack: stackOf(error) });
  }
}

export function detach(log: Log, what: string, work: Promise<unknown>): void {
  void detached(log, what, work);
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
