import { messageOf } from '../../base/errors.ts';
import type { DebtOrder } from '../debts.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { RunRef } from '../ports.ts';
import { takeDownPrivate } from '../sandbox/take-down.ts';
import type { Step } from '../steps.ts';
import type { ContainerActor } from './actor.ts';

interface Cleaning {
  readonly step: Step;
  readonly debt: Omit<DebtOrder, 'error'>;
  readonly perform: () => Promise<void>;
}

/**
 * Removes what a run leaves on the host. Each step is tried whatever became of the others; what fails is a debt, which
 * is retried until it is paid, and the container is clean when nothing of its run is owed. Never rejects.
 */
export async function cleanRun(actor: ContainerActor, parts: EngineParts, run: RunRef): Promise<void> {
  for (const { step, debt, perform } of cleanings(actor, parts, run)) {
    try {
      await actor.step(step, perform);
    } catch (error) {
      parts.debts.add({ ...debt, error: messageOf(error) });
    }
  }
  await settleCleaned(actor, parts, run.number);
}

/** Marks the run as clean if nothing of it is owed any more: after the cleaning, and again when a debt is paid. */
export async function settleCleaned(actor: ContainerActor, parts: EngineParts, run: number): Promise<void> {
  await actor.mailbox.run(() => {
    const { state } = actor;
    if (actor.isGone || state.phase !== 'exited' || state.exit.run !== run || state.isCleaned) return;
    if (parts.debts.owedFor(actor.id, run)) return;
    actor.commit('clean.save', {
      state: { ...state, isCleaned: true },
      events: [{ type: 'container.cleaned', run, body: {} }],
    });
  });
}

function cleanings(actor: ContainerActor, parts: EngineParts, run: RunRef): Cleaning[] {
  const runtime = runtimeOf(parts, actor.spec);
  const owner = { container: actor.id, run: run.number };
  const { stop } = actor;
  actor.stop = undefined;
  const guards: Cleaning = {
    step: 'clean.guard',
    debt: { ...owner, kind: 'guard', what: `guard of ${actor.spec.name}` },
    perform: async () => {
      await stop?.release();
      await runtime.endGuards(run);
    },
  };
  const ofRuntime = runtime.cleanSteps(run).map(
    ({ kind, what, path, perform }): Cleaning => ({
      step: `clean.${kind}`,
      debt: { ...owner, kind, what, ...(path === undefined ? {} : { path }) },
      perform,
    }),
  );
  return [guards, ...ofRuntime, ...sandboxCleaning(actor, parts)];
}

/** A private sandbox holds its namespaces only while its container runs. */
function sandboxCleaning({ sandbox, spec }: ContainerActor, parts: EngineParts): Cleaning[] {
  if (sandbox.spec.owner !== spec.id) return [];
  const debt = { sandbox: sandbox.id, kind: 'namespaces' as const, what: `namespaces of ${spec.name}` };
  const pins = 'pins' in sandbox.state ? { pins: sandbox.state.pins } : {};
  return [{ step: 'clean.namespaces', debt: { ...debt, ...pins }, perform: () => takeDownPrivate(sandbox, parts) }];
}
