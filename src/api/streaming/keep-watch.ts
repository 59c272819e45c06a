import { whenAborted } from '../../base/abort.ts';
import { BerthError } from '../../base/errors.ts';
import { watchConnection } from './connection-watch.ts';
import type { Upgrade } from './upgrade.ts';

/** A connection that was upgraded, whatever it speaks. */
export interface PeerConnection {
  /** Aborts when the connection is gone. */
  readonly gone: AbortSignal;
  /** Nothing is read, because nobody takes what came. */
  readonly isHeldUp: boolean;
  /** Sends something that asks for nothing. Returns the bytes of it. */
  beat(): number;
}

/** Ends the session when its client is gone or has nothing to say for too long. */
export function keepWatch(
  { socket, over, limits, log }: Pick<Upgrade, 'socket' | 'over' | 'limits' | 'log'>,
  connection: PeerConnection,
): Disposable {
  const ties = new DisposableStack();
  ties.use(
    whenAborted(connection.gone, () => {
      log.debug('streaming connection is closed', { reason: String(connection.gone.reason) });
      over.abort(new BerthError('Cancelled', 'Cannot go on: the client is gone'));
    }),
  );
  ties.use(
    watchConnection({
      socket,
      idleMs: limits.idleMs,
      beatMs: limits.beatMs,
      isHeldUp: () => connection.isHeldUp,
      beat: () => connection.beat(),
      onIdle: () =>
        over.abort(new BerthError('DeadlineExceeded', `Cannot go on: the connection was idle for ${limits.idleMs} ms`)),
    }),
  );
  return ties;
}
