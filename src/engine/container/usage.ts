import type { CpuRates } from '../cpu-rates.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { RunDetails, RunUsage } from '../ports.ts';
import type { ContainerActor } from './actor.ts';
import { isLive } from './state.ts';

export interface ContainerUsage extends RunUsage {
  /** Processors' worth of time since the last look; left out at the first one. */
  readonly cores?: number;
}

/** Undefined unless it runs. */
export function usageOfContainer(
  actor: ContainerActor,
  parts: Pick<EngineParts, 'clock' | 'runtimes'>,
  rates: CpuRates,
): ContainerUsage | undefined {
  const { state, spec } = actor;
  if (!isLive(state)) return undefined;
  const usage = runtimeOf(parts, spec).usage(actor.run(state.run.number));
  return usage === undefined ? undefined : withCores(actor, usage, parts, rates);
}

/** Undefined unless it runs. */
export async function detailsOfContainer(
  actor: ContainerActor,
  parts: Pick<EngineParts, 'runtimes'>,
): Promise<RunDetails | undefined> {
  const { state, spec } = actor;
  if (!isLive(state)) return undefined;
  return runtimeOf(parts, spec).details(actor.run(state.run.number), state.run.processes.init);
}

export function withCores(
  owner: object,
  usage: RunUsage,
  { clock }: Pick<EngineParts, 'clock'>,
  rates: CpuRates,
): ContainerUsage {
  const cores = rates.coresOf(owner, clock.now(), usage.cpuNs);
  return cores === undefined ? usage : { ...usage, cores };
}
