import { formatDuration } from '../../base/units.ts';
import type { CreateParts } from '../container/create.ts';
import { describePhase, currentRun } from '../container/state.ts';
import { describeStep } from '../container/why.ts';
import type { Explanation } from '../container/why.ts';
import type { SandboxActor } from './actor.ts';
import { membersOf } from './members.ts';

/** Why a pod's sandbox is as it is, or does not get on. */
export function explainSandbox(sandbox: SandboxActor, parts: CreateParts): Explanation {
  const { id, spec, state } = sandbox;
  const { phase } = state;
  const debts = parts.debts.list().filter((debt) => debt.sandbox === id);
  const living = membersOf(sandbox, parts).filter((actor) => currentRun(actor.state) !== undefined);
  return {
    container: id,
    name: spec.name,
    phase,
    summary: summarize(sandbox, parts),
    findings: [
      ...(phase === 'stopping'
        ? living.map((actor) => ({
            kind: 'stuck-process' as const,
            text: `container ${actor.spec.name} is ${describePhase(actor.state)}: ask why of it`,
          }))
        : []),
      ...debts.map(({ what, lastError, tries }) => ({
        kind: 'debt' as const,
        text: `owed after ${tries} tries: ${what}: ${lastError}`,
      })),
    ],
  };
}

function summarize({ state, progress }: SandboxActor, { clock }: CreateParts): string {
  if (progress !== undefined) {
    const sofar = formatDuration(clock.now() - progress.since);
    return `It is ${state.phase} and waits for ${describeStep(progress.step)} (${sofar} so far)`;
  }
  switch (state.phase) {
    case 'ready': {
      const { addresses } = state;
      return `It is ready${addresses.length === 0 ? '' : `, with ${addresses.join(' and ')}`}`;
    }
    case 'stopping':
      return `It is being stopped${state.reason === undefined ? '' : ` (${state.reason})`} and waits for its containers`;
    case 'stopped':
      return `It was stopped ${formatDuration(clock.wall() - state.stoppedAt)} ago, and waits to be removed`;
    case 'creating':
      return 'It is being made';
  }
}
