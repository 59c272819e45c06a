import { BerthError } from '../../../base/errors.ts';
import type { Call } from '../routes.ts';
import type { DoctorAnswer } from '../types.ts';

/** What the daemon knows of its host beyond the engine. */
export type Doctor = () => DoctorAnswer['findings'];

export function examine({ engine, doctor }: Call): DoctorAnswer {
  const { trouble } = engine;
  return {
    findings: [
      ...doctor(),
      trouble === undefined
        ? { level: 'ok', text: 'State is saved' }
        : {
            level: 'error',
            text: `State cannot be saved and is kept in memory: ${trouble}`,
            advice: 'make room on its disk, or see to it: what is kept in memory is written as soon as it can be',
          },
      ...engine.debts().map((debt) => ({
        level: 'warning' as const,
        text: `Not cleaned yet after ${debt.tries} tries: ${debt.what}: ${debt.lastError}`,
        advice: `it is tried again; see to it yourself and "berth debts --forgive ${debt.id}" if it never will be`,
      })),
    ],
    foreign: engine.foreign.map(({ run, processes }) => ({ container: run.containerId, run: run.number, processes })),
  };
}

export function listDebts({ engine }: Call): object {
  return { debts: engine.debts() };
}

export async function forgiveDebt({ engine, params }: Call): Promise<object> {
  await engine.forgiveDebt(params['id'] ?? '');
  return {};
}

export async function settleForeign({ engine, params }: Call): Promise<object> {
  const { id = '', verb } = params;
  if (verb === 'adopt') await engine.adoptForeign(id);
  else if (verb === 'remove') await engine.removeForeign(id);
  else throw new BerthError('NotFound', `Cannot ${verb ?? ''} a foreign run: must be adopt or remove`);
  return {};
}
