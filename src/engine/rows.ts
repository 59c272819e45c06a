import type { ProcessIdentity } from '../base/process-identity.ts';
import type { NamespacePins } from './sandbox/state.ts';

/** What an exec is saved as, so that a new daemon knows what it finds in a container. */
export interface ExecRow {
  readonly id: string;
  readonly containerId: string;
  readonly run: number;
  readonly args: readonly string[];
  /** Undefined until it runs. */
  readonly identity?: ProcessIdentity;
  /** Unix ms. */
  readonly startedAt: number;
  /** What becomes of it when its daemon ends: a probe is killed, a person's command is not. */
  readonly onDaemonEnd: 'kill' | 'keep';
}

/** What can be left to clean, and how it is cleaned later. */
export type DebtKind =
  | 'processes'
  | 'runtime'
  | 'cgroup'
  | 'rootfs'
  | 'run-folder'
  | 'snapshot'
  | 'log'
  | 'namespaces'
  | 'network'
  | 'guard';

/** Something that could not be cleaned yet. It is retried until it can, and blocks nobody but its owner. */
export interface DebtRow {
  readonly id: string;
  readonly kind: DebtKind;
  /** For people: a path, a runtime id. */
  readonly what: string;
  readonly container?: string;
  readonly run?: number;
  readonly sandbox?: string;
  readonly pins?: NamespacePins;
  readonly path?: string;
  /** Unix ms. */
  readonly since: number;
  readonly tries: number;
  readonly lastError: string;
}

type EventType =
  | 'container.created'
  | 'container.started'
  | 'container.warning'
  | 'container.paused'
  | 'container.resumed'
  | 'container.updated'
  | 'container.killed'
  | 'container.oom'
  | 'container.exited'
  | 'container.log'
  | 'container.cleaned'
  | 'container.removed'
  | 'stop.requested'
  | 'stop.joined'
  | 'stop.signalled'
  | 'stop.escalated'
  | 'exec.started'
  | 'exec.ended'
  | 'sandbox.ready'
  | 'sandbox.updated'
  | 'sandbox.stopping'
  | 'sandbox.stopped'
  | 'sandbox.removed'
  | 'debt.made'
  | 'debt.paid'
  | 'image.imported'
  | 'image.pulled'
  | 'image.removed';

/** One fact, numbered without gaps. The body is the state at that number, never a later one. */
export interface EventRow {
  readonly n: number;
  readonly type: EventType;
  /** Unix ms. */
  readonly time: number;
  /** Boottime in ms, for durations. */
  readonly boot: number;
  readonly container?: string;
  readonly sandbox?: string;
  readonly run?: number;
  readonly body: Readonly<Record<string, unknown>>;
}
