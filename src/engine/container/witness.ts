import type { Clock } from '../../base/clock.ts';
import type { ExitFile, InitEnd, RunWatch } from '../ports.ts';
import type { Witness } from './state.ts';

/** How long the end of PID 1 waits for the monitor's word, so that the log is complete when the exit is told. */
const MONITOR_GRACE_MS = 150;
/** How long an unknown code or a pending log waits for a monitor that lives. */
const MONITOR_PATIENCE_MS = 2_000;
/** The thread that reads wait statuses is a little ahead of the monitor's end as a rule, and a little behind at times. */
const PIDFD_GRACE_MS = 10;

/** What is known of the end of a run when it is told. */
export interface ExitFact {
  /** Unix ms. */
  readonly at: number;
  /** Undefined when no witness has it. */
  readonly code: number | undefined;
  readonly signal: number | undefined;
  /** The signal was concluded from the code. */
  readonly isSignalDerived: boolean;
  readonly witness: Witness;
  readonly log: 'complete' | 'pending' | 'cut';
  /** The monitor died before PID 1 did. */
  readonly isMonitorLost: boolean;
}

export interface WitnessParts {
  readonly clock: Clock;
  /** Ends the processes of a run whose monitor died, or leaves them: as the settings say. Returns at once. */
  onLostMonitor(): void;
}

/**
 * Waits for the end of a run. It is told at the earlier of the monitor's exit file and PID 1's end + 150 ms; a better
 * witness that comes later never changes it.
 */
export async function witnessExit(watch: RunWatch, parts: WitnessParts): Promise<ExitFact> {
  const { clock } = parts;
  const monitor = watch.monitorEnded.then(() => 'monitor' as const);
  const first = await Promise.race([watch.initEnded.then(() => 'init' as const), monitor]);

  if (first === 'monitor') {
    const file = await watch.readExitFile();
    const init = await within(watch.initEnded, PIDFD_GRACE_MS, clock);
    if (file !== undefined) return factOf(clock, init, file, 'complete');
    if (init !== undefined) return factOf(clock, init, undefined, 'cut');
    parts.onLostMonitor();
    const end = await watch.initEnded;
    return { ...factOf(clock, end, undefined, 'cut'), isMonitorLost: true };
  }

  const init = await watch.initEnded;
  await within(monitor, MONITOR_GRACE_MS, clock);
  const soon = await watch.readExitFile();
  if (soon !== undefined || init.wait !== undefined) {
    return factOf(clock, init, soon, soon === undefined ? 'pending' : 'complete');
  }
  await within(monitor, MONITOR_PATIENCE_MS - MONITOR_GRACE_MS, clock);
  const late = await watch.readExitFile();
  return factOf(clock, init, late, late === undefined ? 'cut' : 'complete');
}

/** What becomes of a log that was pending when the exit was told. */
export async function witnessLog(watch: RunWatch, clock: Clock): Promise<'complete' | 'cut'> {
  await within(watch.monitorEnded, MONITOR_PATIENCE_MS - MONITOR_GRACE_MS, clock);
  return (await watch.readExitFile()) === undefined ? 'cut' : 'complete';
}

function factOf(clock: Clock, init: InitEnd | undefined, file: ExitFile | undefined, log: ExitFact['log']): ExitFact {
  const at = init === undefined ? (file?.at ?? clock.wall()) : clock.wall() - (clock.now() - init.at);
  const base = { at: Math.round(at), log, isMonitorLost: false };
  if (init?.wait !== undefined) return { ...base, ...init.wait, isSignalDerived: false, witness: 'pidfd' };
  if (file !== undefined) {
    const signal = signalIn(file.code);
    return { ...base, code: file.code, signal, isSignalDerived: signal !== undefined, witness: 'monitor' };
  }
  return { ...base, code: undefined, signal: undefined, isSignalDerived: false, witness: 'none' };
}

/** The monitor writes 128 + n for signal n; a program may return that number by itself. */
function signalIn(code: number): number | undefined {
  return code > 128 && code <= 128 + 64 ? code - 128 : undefined;
}

async function within<T>(promise: Promise<T>, ms: number, clock: Clock): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, clock.sleep(ms, over.signal).then(() => undefined)]);
  } finally {
    over.abort();
  }
}
