import type { ProcessIdentity } from '../base/process-identity.ts';
import type { Guard, GuardOrder, RunRef, SignalView } from '../engine/ports.ts';
import { Pidfd, hasSignal, readSignalMasks } from '../linux/process.ts';
import { armGuard, cancelGuard, findGuards, forgetVerdict, readVerdict } from './guard.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

/** How long a freeze waits for a runtime command that is inside the container. */
const GATE_PATIENCE_MS = 1_000;

/** Freezes the container with no runtime command inside it, and keeps them out until the thaw. */
export async function freezeRun(parts: RuntimeParts, run: RunRef, withinMs: number): Promise<boolean> {
  const gate = parts.memory.gateOf(run);
  if (!(await gate.close(GATE_PATIENCE_MS))) return false;
  const isFrozen = await cgroupOf(parts, run).freeze(withinMs);
  if (!isFrozen) gate.open();
  return isFrozen;
}

export function thawRun(parts: RuntimeParts, run: RunRef): void {
  cgroupOf(parts, run).thaw();
  parts.memory.gateOf(run).open();
}

/** Returns false when the process has ended. */
export function signalInit({ clock }: RuntimeParts, init: ProcessIdentity, signal: number): boolean {
  using pidfd = Pidfd.open(init, clock.bootId);
  return pidfd?.signal(signal) ?? false;
}

export function signalOthers(parts: RuntimeParts, run: RunRef, init: ProcessIdentity, signal: number): number {
  return cgroupOf(parts, run).signalAll(parts.clock.bootId, signal, init.pid);
}

export function viewSignal(init: ProcessIdentity, signal: number): SignalView | undefined {
  const masks = readSignalMasks(init.pid);
  if (masks === undefined) return undefined;
  const has = (mask: bigint): boolean => hasSignal(mask, signal);
  const disposition = has(masks.caught)
    ? 'caught'
    : has(masks.blocked)
      ? 'blocked'
      : has(masks.ignored)
        ? 'ignored'
        : 'default';
  return { isPending: has(masks.pending), disposition };
}

export async function armRunGuard(parts: RuntimeParts, run: RunRef, order: GuardOrder): Promise<Guard> {
  using descriptors = cgroupOf(parts, run).openKillDescriptors();
  const runFolder = parts.folders.pathOf(run);
  const guard = await armGuard(parts.children, parts.clock.bootId, { ...order, runFolder, descriptors });
  parts.memory.addGuard(run, guard.identity);
  return guard;
}

/**
 * Ends the guards that this daemon did not arm. A verdict "unsent" is forgotten as soon as it is read, so that it
 * cannot be taken for that of the send that follows; a verdict "sent" stays true for ever.
 */
export async function takeOverGuards(parts: RuntimeParts, run: RunRef): Promise<'sent' | 'unsent' | undefined> {
  const own = parts.memory.guardsOf(run);
  await cancelGuards(parts, run, (found) => !own.some((known) => isSame(known, found)));
  const runFolder = parts.folders.pathOf(run);
  const verdict = readVerdict(runFolder);
  if (verdict === 'unsent') forgetVerdict(runFolder);
  return verdict;
}

export async function endGuards(parts: RuntimeParts, run: RunRef): Promise<void> {
  await cancelGuards(parts, run, () => true);
}

async function cancelGuards(
  { clock, folders }: RuntimeParts,
  run: RunRef,
  isMeant: (identity: ProcessIdentity) => boolean,
): Promise<void> {
  for (const guard of findGuards(folders.pathOf(run), clock.bootId)) {
    if (isMeant(guard)) await cancelGuard(guard, clock.bootId);
  }
}

function isSame(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.bootId === b.bootId;
}
