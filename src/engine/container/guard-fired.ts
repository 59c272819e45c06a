import type { NewEvent } from '../journal.ts';
import type { LiveRun } from './state.ts';

export interface GuardFired {
  readonly run: LiveRun;
  readonly event: Pick<NewEvent, 'type' | 'run' | 'body'>;
}

/**
 * What a stop has become when its guard killed the container because the daemon did not: it has escalated. Undefined
 * when no guard did, or it is known.
 * @param firedAt boottime in ms
 */
export function escalatedByGuard(run: LiveRun, firedAt: number | undefined): GuardFired | undefined {
  const { stop } = run;
  if (stop === undefined || firedAt === undefined || stop.phase === 'killing') return undefined;
  return {
    run: { ...run, stop: { ...stop, phase: 'killing' } },
    event: { type: 'stop.escalated', run: run.number, body: { signal: 'SIGKILL', by: 'guard', at: firedAt } },
  };
}
