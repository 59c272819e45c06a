import type { Clock } from '../base/clock.ts';
import { BerthError } from '../base/errors.ts';
import type { Failpoints } from '../base/failpoints.ts';
import type { Log } from '../base/log.ts';
import type { ContainerSpec } from './container/spec.ts';
import type { Debts } from './debts.ts';
import type { Journal } from './journal.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import type { Images, Namespaces, Network, Runtime, Store } from './ports.ts';
import type { SandboxActor } from './sandbox/actor.ts';
import type { EngineSettings } from './settings.ts';

/** What containers need of the pods that they live in, which are made of containers themselves. */
export interface Pods {
  /** The process whose PID namespace the sandbox's containers share, made when it is first needed. */
  infraOf(sandbox: SandboxActor): Promise<ProcessIdentity>;
  /** The container whose PID namespace is joined. @throws BerthError WrongState when it does not run */
  targetOf(sandbox: SandboxActor, container: string): ProcessIdentity;
  /** Undefined when no infra container has been made. */
  isInfraAlive(sandbox: SandboxActor): boolean | undefined;
  /** With it everything in its PID namespace has ended. */
  infraEnded(sandbox: SandboxActor): void;
}

/** What the verbs work with. Made once, in the daemon's assembly or in a test. */
export interface EngineParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly failpoints: Failpoints;
  readonly settings: EngineSettings;
  readonly store: Store;
  readonly journal: Journal;
  readonly debts: Debts;
  /** By handler name. */
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly images: Images;
  readonly namespaces: Namespaces;
  readonly network: Network;
  readonly pods: Pods;
  /** Aborts when the engine ends: work in progress is left to the next one's recovery. */
  readonly shutdown: AbortSignal;
}

/** @throws BerthError Unsupported when no such handler is configured */
export function runtimeNamed(parts: Pick<EngineParts, 'runtimes'>, handler: string): Runtime {
  const runtime = parts.runtimes.get(handler);
  if (runtime !== undefined) return runtime;
  const known = [...parts.runtimes.keys()].join(', ');
  throw new BerthError('Unsupported', `Cannot use runtime handler "${handler}": configured are ${known}`, {
    field: 'handler',
  });
}

export function runtimeOf(parts: Pick<EngineParts, 'runtimes'>, spec: ContainerSpec): Runtime {
  return runtimeNamed(parts, spec.handler);
}
