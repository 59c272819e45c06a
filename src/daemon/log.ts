import { pino } from 'pino';
import type { Log } from '../base/log.ts';

/** JSON lines on stderr, for the journal. Written in the background: a reader that stands still stops nobody. */
export function createLog(level: 'debug' | 'info' | 'warn' | 'error'): Log & { flush(): void } {
  const destination = pino.destination({ fd: 2, sync: false, minLength: 0, maxLength: 1 << 20 });
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // it was never opened, or its reader is gone: nobody is left to be told
      }
    },
  };
}
