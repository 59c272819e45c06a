import { isLive } from './container/state.ts';
import type { CreateParts } from './container/create.ts';
import type { Payer } from './debts.ts';
import type { CleanKind, RunRef, Runtime } from './ports.ts';
import { existing, takeDownPrivate } from './sandbox/take-down.ts';
import type { DebtKind, DebtRow } from './rows.ts';

/** How each kind of debt is paid: the step that failed is tried again. */
export function payersOf(parts: CreateParts): Readonly<Record<DebtKind, Payer>> {
  const clean: Payer = (debt) => cleanAgain(parts, debt);
  return {
    processes: clean,
    runtime: clean,
    cgroup: clean,
    rootfs: clean,
    'run-folder': clean,
    guard: async (debt) => {
      const run = runOf(debt);
      if (run !== undefined) await runtimeFor(parts, run).endGuards(run);
    },
    snapshot: (debt) => parts.images.removeSnapshot(debt.container ?? ''),
    log: (debt) => runtimeFor(parts, runOf(debt)).removeLog(debt.path ?? ''),
    namespaces: async (debt) => {
      const sandbox = parts.sandboxes.get(debt.sandbox ?? '');
      const owner = parts.containers.get(sandbox?.spec.owner ?? '');
      const isInUse = (): boolean => owner !== undefined && (isLive(owner.state) || owner.state.phase === 'starting');
      if (owner !== undefined && sandbox !== undefined && sandbox.state.phase !== 'stopped') {
        await takeDownPrivate(sandbox, parts, isInUse);
      } else if (debt.sandbox !== undefined && !isInUse()) await parts.namespaces.remove(debt.sandbox, debt.pins ?? {});
    },
    network: async ({ sandbox: id = '', pins = {} }) => {
      await parts.network.detach(id, existing(parts, pins.net));
      await parts.namespaces.remove(id, pins);
    },
  };
}

async function cleanAgain(parts: CreateParts, debt: DebtRow): Promise<void> {
  const run = runOf(debt);
  if (run === undefined) return;
  const steps = runtimeFor(parts, run).cleanSteps(run, debt.path);
  await steps.find(({ kind }) => kind === (debt.kind as CleanKind))?.perform();
}

function runOf({ container, run }: DebtRow): RunRef | undefined {
  return container === undefined || run === undefined ? undefined : { containerId: container, number: run };
}

/** A removed container's remains are cleaned by any runtime: only paths and cgroups are left of it. */
function runtimeFor(parts: CreateParts, run: RunRef | undefined): Runtime {
  const handler = parts.containers.get(run?.containerId ?? '')?.spec.handler ?? parts.settings.defaultHandler;
  const [any] = parts.runtimes.values();
  const runtime = parts.runtimes.get(handler) ?? any;
  if (runtime === undefined) throw new Error('no runtime is configured');
  return runtime;
}
