import type { SandboxNetwork } from '../container/spec.ts';
import type { BootDeadline } from '../container/state.ts';

/** Where containers live: the owner of namespaces, addresses and ports. */
export interface SandboxSpec {
  readonly id: string;
  readonly name: string;
  readonly network: SandboxNetwork;
  readonly hostname: string;
  /** Set for a sandbox that was made for one container, and goes with it. */
  readonly owner?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly apiData: unknown;
}

/** Pinned namespaces by their files; what is missing is the host's. */
export interface NamespacePins {
  readonly net?: string;
  readonly ipc?: string;
  readonly uts?: string;
}

/**
 * ```
 *   creating ─▶ ready ─▶ stopped ─▶ (removed)
 * ```
 * The names of what is made are saved with `creating`, before any of it is made.
 */
export type SandboxState =
  | { readonly phase: 'creating'; readonly pins: NamespacePins; readonly deadline: BootDeadline }
  | { readonly phase: 'ready'; readonly pins: NamespacePins; readonly bootId: string }
  | { readonly phase: 'stopped'; readonly stoppedAt: number };

export interface SandboxRow {
  readonly spec: SandboxSpec;
  readonly state: SandboxState;
  /** Unix ms. */
  readonly createdAt: number;
}
