import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Limits } from './limits.ts';
import { unlessStalled } from './stall.ts';

/**
 * Ends a connection so that the peer gets all that was written. To close a socket that has unread bytes in it makes the
 * kernel send a reset, and that throws away what the peer has not read yet; so whoever calls this must go on reading
 * and drop what comes. The peer closes first, or its time is over.
 */
export async function closeGently(
  transport: Duplex,
  { stallMs, lingerMs }: Pick<Limits, 'stallMs' | 'lingerMs'>,
): Promise<void> {
  const closed = hasClosed(transport);
  transport.end();
  const flushed = transport.writableFinished ? Promise.resolve() : once(transport, 'finish').catch(() => undefined);
  const isFlushed = await unlessStalled(Promise.race([flushed, closed]), () => transport.writableLength, stallMs);
  if (isFlushed) await within(closed, lingerMs);
  transport.destroy();
}

function hasClosed(transport: Duplex): Promise<void> {
  if (transport.destroyed || transport.readableEnded) return Promise.resolve();
  return new Promise((resolve) => {
    transport.once('end', resolve);
    transport.once('close', resolve);
  });
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  const over = new AbortController();
  const late = sleepFor(ms, undefined, { signal: over.signal }).catch(() => undefined);
  await Promise.race([work, late]);
  over.abort();
}
