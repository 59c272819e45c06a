import { BerthError } from '../../base/errors.ts';
import type { SignalName } from '../../base/signals.ts';
import { signalNumber } from '../../base/signals.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ContainerActor } from './actor.ts';
import type { Requester } from './spec.ts';
import { describePhase, isLive } from './state.ts';

export interface KillRequest {
  readonly killSignal: SignalName;
  readonly requester: Requester;
  readonly reason?: string;
}

const SIGKILL = 9;

/**
 * Sends a signal to the container's PID 1, each time that it is asked for. This is no stop: nothing follows from it but
 * what the program does. SIGKILL ends a paused container too; no other signal resumes one.
 * @throws BerthError WrongState when it does not run
 */
export async function killContainer(actor: ContainerActor, parts: EngineParts, request: KillRequest): Promise<void> {
  await actor.mailbox.run(() => {
    const { state, spec } = actor;
    if (!isLive(state)) {
      const phase = describePhase(state);
      throw new BerthError('WrongState', `Cannot signal container "${spec.name}": it is ${phase}, must be running`);
    }
    const number = signalNumber(request.killSignal);
    const { requester, reason } = request;
    const by = { requester, ...(reason === undefined ? {} : { reason }) };
    const run = number === SIGKILL ? { ...state.run, kill: by } : state.run;
    actor.commit('stop.save', {
      state: { phase: state.phase, run },
      events: [{ type: 'container.killed', run: run.number, body: { signal: request.killSignal, ...by } }],
    });
    const runtime = runtimeOf(parts, spec);
    const ref = actor.run(run.number);
    runtime.signal(ref, run.processes.init, number);
    if (number === SIGKILL && runtime.frozenBy(ref) !== 'nobody') runtime.killAll(ref);
  });
}
