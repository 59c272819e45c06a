import type { StopAnswer } from '../client/index.ts';
import { formatDuration } from '../base/units.ts';

/** A stop that takes longer is worth a word. */
const LONG_MS = 2_000;

type Delivery = Extract<StopAnswer, { changed: true }>['delivery'];

const DELIVERY_WORDS: Readonly<Record<Delivery, (signal: string) => string>> = {
  delivered: (signal) => `${signal} was delivered`,
  ignored: (signal) => `${signal} was ignored by PID 1`,
  unknown: (signal) => `whether ${signal} was delivered is unknown`,
  none: () => 'no signal was sent before',
};

/** What is notable about a stop; undefined when everything went as it should. */
export function describeStop(answer: StopAnswer): string | undefined {
  if (!answer.changed) return 'nothing to stop: it was not running';
  const { delivery, isKilled, tookMs, exit } = answer;
  if (delivery === 'delivered' && !isKilled && tookMs < LONG_MS) return undefined;
  const end = isKilled
    ? 'killed with SIGKILL'
    : exit === undefined
      ? 'gone'
      : exit.signal === undefined
        ? `exited with code ${exit.code}`
        : `ended by ${exit.signal}`;
  return `${DELIVERY_WORDS[delivery](exit?.stop?.signal ?? 'its stop signal')}; ${end} after ${formatDuration(tookMs)}`;
}
