import type { Socket } from 'node:net';

export interface WatchedConnection {
  readonly socket: Socket;
  /** 0: it may be idle for ever. */
  readonly idleMs: number;
  readonly beatMs: number;
  /** Nothing is read at the moment, because nobody takes what came. */
  readonly isHeldUp: () => boolean;
  /** Sends something that asks for no answer. Returns how many bytes it is. */
  readonly beat: () => number;
  readonly onIdle: () => void;
}

/**
 * Looks at a connection from time to time. Bytes in either direction keep it from being idle. While nothing is read of
 * it, a client that is gone would not be noticed and one that is there would get no answer to its pings, so it is
 * written to instead.
 */
export function watchConnection({ socket, idleMs, beatMs, isHeldUp, beat, onIdle }: WatchedConnection): Disposable {
  let beaten = 0;
  let seen = -1;
  let since = performance.now();

  function look(): void {
    const bytes = socket.bytesRead + socket.bytesWritten - beaten;
    const now = performance.now();
    if (bytes !== seen) {
      seen = bytes;
      since = now;
    } else if (idleMs > 0 && now - since >= idleMs) {
      onIdle();
      return;
    }
    if (isHeldUp()) beaten += beat();
  }

  const timer = setInterval(look, idleMs > 0 ? Math.min(beatMs, idleMs / 4) : beatMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
