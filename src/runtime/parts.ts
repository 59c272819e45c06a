import type { Clock } from '../base/clock.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { Counters, RunRef } from '../engine/ports.ts';
import { Cgroup } from '../linux/cgroup.ts';
import type { CgroupLayout } from '../linux/cgroup-layout.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import type { Outside } from '../linux/outside.ts';
import type { ProcessWatch } from '../linux/process-watch.ts';
import type { StreamThread } from '../linux/stream-thread.ts';
import type { AttachHub } from './attach-hub.ts';
import type { StartedExec } from './exec.ts';
import { Gate } from './gate.ts';
import type { Monitor } from './monitor.ts';
import type { OciCli } from './oci-cli.ts';
import type { HostAbilities } from './oci-spec.ts';
import type { HeldPidNamespace } from './pid-namespace.ts';
import type { RunFolders } from './run-folder.ts';

/** What the runtime's verbs work with. */
export interface RuntimeParts {
  readonly clock: Clock;
  readonly children: Children;
  readonly processes: ProcessWatch;
  readonly thread: NamespaceThread;
  /** Moves the bytes of terminals, and of whoever is attached. */
  readonly streams: StreamThread;
  readonly outside: Outside;
  readonly cli: OciCli;
  readonly monitor: Monitor;
  readonly attachments: AttachHub;
  readonly folders: RunFolders;
  readonly layout: CgroupLayout;
  readonly host: HostAbilities;
  readonly counters: Counters;
  /** On a tmpfs: `/run/berth`. */
  readonly runRoot: string;
  /** Below which a container has its cgroup of which nothing else is known: `/berth`. */
  readonly cgroupParent: string;
  /** catatonit: its name, or its path. */
  readonly initProgram: string;
  /** The daemon's root is not that of its mount namespace. */
  readonly isInChroot: boolean;
  /** The runtime mounts what is mounted below a source too, in containers with users of their own. */
  readonly bindsWhole: boolean;
  /** The exec FIFO of this runtime's version may be written directly. */
  readonly hasKnownFifo: boolean;
  readonly memory: RunMemory;
}

/** What is known of runs for as long as the daemon lives. All of it can be done without. */
export class RunMemory {
  readonly #gates = new Map<string, Gate>();
  readonly #execs = new Map<string, Set<StartedExec>>();
  readonly #guards = new Map<string, readonly ProcessIdentity[]>();
  readonly #cgroupPaths = new Map<string, string>();
  readonly #pidNamespaces = new Map<string, HeldPidNamespace>();

  gateOf(run: RunRef): Gate {
    const key = keyOf(run);
    const known = this.#gates.get(key);
    if (known !== undefined) return known;
    const gate = new Gate();
    this.#gates.set(key, gate);
    return gate;
  }

  execsOf(run: RunRef): ReadonlySet<StartedExec> {
    return this.#execs.get(keyOf(run)) ?? new Set();
  }

  addExec(run: RunRef, exec: StartedExec): void {
    const key = keyOf(run);
    const execs = this.#execs.get(key) ?? new Set();
    this.#execs.set(key, execs.add(exec));
    void exec.ended
      .catch(() => undefined)
      .then(() => {
        execs.delete(exec);
        if (execs.size === 0) this.#execs.delete(key);
      });
  }

  addGuard(run: RunRef, identity: ProcessIdentity): void {
    this.#guards.set(keyOf(run), [...this.guardsOf(run), identity]);
  }

  /** The guards that this daemon has armed for the run. */
  guardsOf(run: RunRef): readonly ProcessIdentity[] {
    return this.#guards.get(keyOf(run)) ?? [];
  }

  cgroupPathOf(run: RunRef): string | undefined {
    return this.#cgroupPaths.get(keyOf(run));
  }

  setCgroupPath(run: RunRef, path: string): void {
    this.#cgroupPaths.set(keyOf(run), path);
  }

  holdPidNamespace(run: RunRef, held: HeldPidNamespace): void {
    this.dropPidNamespace(run);
    this.#pidNamespaces.set(keyOf(run), held);
  }

  pidNamespaceOf(run: RunRef): HeldPidNamespace | undefined {
    return this.#pidNamespaces.get(keyOf(run));
  }

  dropPidNamespace(run: RunRef): void {
    this.#pidNamespaces.get(keyOf(run))?.[Symbol.dispose]();
    this.#pidNamespaces.delete(keyOf(run));
  }

  forget(run: RunRef): void {
    this.dropPidNamespace(run);
    this.#gates.delete(keyOf(run));
    this.#guards.delete(keyOf(run));
    this.#cgroupPaths.delete(keyOf(run));
  }
}

function keyOf({ containerId, number }: RunRef): string {
  return runtimeIdOf(containerId, number);
}

/**
 * A run's cgroup. Its path is in the run's folder, and remembered from there; when nothing is left of that, it is where
 * a container has it that asks for no place. A successor run takes the same place when the last one is gone.
 */
export function cgroupOf(
  parts: Pick<RuntimeParts, 'layout' | 'cgroupParent' | 'folders' | 'memory'>,
  run: RunRef,
): Cgroup {
  const known = parts.memory.cgroupPathOf(run) ?? readCgroupPath(parts, run);
  return new Cgroup(parts.layout, known ?? `${parts.cgroupParent}/${run.containerId}`);
}

function readCgroupPath(
  { folders, memory }: Pick<RuntimeParts, 'folders' | 'memory'>,
  run: RunRef,
): string | undefined {
  const path = folders.cgroupPathOf(run);
  if (path !== undefined) memory.setCgroupPath(run, path);
  return path;
}
