import type { ContainerRow, ExitRecord, RunProcesses } from '../container/state.ts';
import type { RunObservation } from '../ports.ts';

/** What must be done about one container after an earlier daemon. */
export type Plan =
  /** It is as its row says, and nothing is going on. */
  | { readonly kind: 'nothing' }
  /** Its creation was never answered. */
  | { readonly kind: 'undo-create' }
  /** The daemon ended before the program could run. */
  | { readonly kind: 'fail-start'; readonly run: number }
  /** The daemon ended while it let the program go; that can be repeated. */
  | { readonly kind: 'release-again'; readonly run: number; readonly processes: RunProcesses }
  /** The run is, or was, alive: its end is awaited as ever, and a stop in progress goes on. */
  | {
      readonly kind: 'follow';
      readonly run: number;
      readonly processes: RunProcesses;
      /** What it really is: somebody may have frozen or thawed it, or the daemon ended between doing and saving. */
      readonly phase: 'running' | 'paused';
      readonly guardFiredAt: number | undefined;
    }
  /** It is over, and this is all that will ever be known of it. */
  | { readonly kind: 'record-exit'; readonly exit: ExitRecord }
  /** It has exited, but is not clean. */
  | { readonly kind: 'clean'; readonly run: number }
  | { readonly kind: 'finish-removal' };

export interface ReconcileContext {
  readonly bootId: string;
  /** Unix ms. */
  readonly now: number;
}

/**
 * Holds a saved row against what is found on the host. Pure: the same input gives the same plan, so that every
 * combination is tested as a table.
 * @param found undefined: nothing of the row's last run is there
 */
export function reconcile(row: ContainerRow, found: RunObservation | undefined, context: ReconcileContext): Plan {
  const { state } = row;
  switch (state.phase) {
    case 'creating':
      return { kind: 'undo-create' };
    case 'created':
      return { kind: 'nothing' };
    case 'removing':
      return { kind: 'finish-removal' };
    case 'exited':
      return state.isCleaned ? { kind: 'nothing' } : { kind: 'clean', run: state.exit.run };
    case 'starting':
      return reconcileStart(state.run, found, context);
    case 'running':
    case 'paused': {
      const { number, processes, stop } = state.run;
      if (processes.init.bootId !== context.bootId) return hostWentDown(number, state.run.startedAt, context);
      const isFrozen = found?.frozenBy === 'itself' && stop === undefined;
      return {
        kind: 'follow',
        run: number,
        processes,
        phase: isFrozen || (state.phase === 'paused' && stop !== undefined) ? 'paused' : 'running',
        guardFiredAt: found?.guardFiredAt,
      };
    }
  }
}

type Starting = Extract<ContainerRow['state'], { phase: 'starting' }>['run'];

function reconcileStart(run: Starting, found: RunObservation | undefined, context: ReconcileContext): Plan {
  const { number, step, processes } = run;
  if (run.deadline.bootId !== context.bootId) {
    return step === 'releasing' ? hostWentDown(number, run.releasedAt, context) : { kind: 'fail-start', run: number };
  }
  if (step !== 'releasing' || processes === undefined) return { kind: 'fail-start', run: number };
  if (found?.isInitAlive === true) return { kind: 'release-again', run: number, processes };
  return { kind: 'follow', run: number, processes, phase: 'running', guardFiredAt: undefined };
}

function hostWentDown(run: number, startedAt: number | undefined, { now }: ReconcileContext): Plan {
  return {
    kind: 'record-exit',
    exit: {
      run,
      code: 255,
      isCodeKnown: false,
      isOom: false,
      cause: 'host-shutdown',
      message: 'the host went down while it ran',
      ...(startedAt === undefined ? {} : { startedAt }),
      exitedAt: now,
      witness: 'none',
      log: 'cut',
    },
  };
}
