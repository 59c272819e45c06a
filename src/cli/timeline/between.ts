import type { EventLine } from '../../client/index.ts';

/** In ms, by the clock that nobody can set; it begins anew with each boot, and then the other one has to do. */
export function between(earlier: EventLine, later: EventLine): number {
  return Math.max(0, later.boot >= earlier.boot ? later.boot - earlier.boot : later.time - earlier.time);
}

/** The last signal that was sent before the event in the event's run. */
export function signalBefore(event: EventLine, events: readonly EventLine[]): EventLine | undefined {
  const signals = ['stop.signalled', 'stop.escalated', 'container.killed'];
  return events.findLast(({ type, run, n }) => n < event.n && run === event.run && signals.includes(type));
}
