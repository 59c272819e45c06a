import type { SandboxRow } from '../sandbox/state.ts';

/** What must be done about one pod's sandbox after an earlier daemon. */
export type SandboxPlan =
  /** It is as its row says. `keep`: and its network is taken over. */
  | 'nothing'
  | 'keep'
  /** Its creation was never answered. */
  | 'undo'
  /** It has to be stopped, or its stop has to go on. */
  | 'stop';

/**
 * Holds a saved row against what is found. Pure: tested as a table. A sandbox of another boot is over: what it holds
 * beyond that boot, its addresses above all, is released by its stop.
 */
export function reconcileSandbox(
  { state }: SandboxRow,
  found: { readonly bootId: string; readonly isWhole: boolean },
): SandboxPlan {
  switch (state.phase) {
    case 'creating':
      return 'undo';
    case 'ready':
      return state.bootId === found.bootId && found.isWhole ? 'keep' : 'stop';
    case 'stopping':
      return 'stop';
    case 'stopped':
      return 'nothing';
  }
}
