import { BerthError } from '../base/errors.ts';
import type { CreateParts } from './container/create.ts';
import { describePhase, isLive } from './container/state.ts';
import { detach } from './detach.ts';
import type { Pods } from './parts.ts';
import { runtimeOf } from './parts.ts';
import type { SandboxActor } from './sandbox/actor.ts';
import { infraOf } from './sandbox/infra.ts';
import { membersOf } from './sandbox/members.ts';
import { stopSandbox } from './sandbox/stop.ts';

/** @param parts asked for when it is needed: the engine's parts hold what this returns */
export function podsOf(parts: () => CreateParts): Pods {
  return {
    infraOf: (sandbox) => infraOf(sandbox, parts()),
    targetOf: (sandbox, container) => {
      const target = membersOf(sandbox, parts()).find(({ id }) => id === container);
      if (target !== undefined && isLive(target.state)) return target.state.run.processes.init;
      const fact = target === undefined ? 'it is not in this sandbox' : `it is ${describePhase(target.state)}`;
      throw new BerthError('WrongState', `Cannot join the PID namespace of container "${container}": ${fact}`);
    },
    isInfraAlive: (sandbox) => isInfraAlive(sandbox, parts()),
    infraEnded: (sandbox) => {
      const stopping = stopSandbox(sandbox, parts(), { requester: 'engine', reason: 'its infra container ended' });
      detach(parts().log, 'sandbox stop', stopping);
    },
  };
}

function isInfraAlive(sandbox: SandboxActor, parts: CreateParts): boolean | undefined {
  const infra = membersOf(sandbox, parts).find(({ spec }) => spec.role === 'infra');
  if (infra === undefined) return undefined;
  if (!isLive(infra.state)) return false;
  return runtimeOf(parts, infra.spec).isAlive(infra.state.run.processes.init);
}
