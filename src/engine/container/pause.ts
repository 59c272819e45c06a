import { BerthError } from '../../base/errors.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ContainerActor } from './actor.ts';
import { describePhase } from './state.ts';
import type { ContainerState, LiveRun } from './state.ts';

/**
 * Freezes all processes of a running container until it is resumed or stopped. A stop that comes meanwhile wins.
 * @throws BerthError WrongState when it is not running or is being stopped
 */
export async function pauseContainer(actor: ContainerActor, parts: EngineParts): Promise<void> {
  const runtime = runtimeOf(parts, actor.spec);
  const { number } = await actor.mailbox.run(() => liveIn(actor, 'running', 'pause'));
  await actor.step('pause.pause', () => runtime.pause(actor.run(number)));
  await actor.mailbox.run(() => {
    const { state } = actor;
    if (state.phase === 'paused' && state.run.number === number) return;
    try {
      const run = liveIn(actor, 'running', 'pause');
      actor.commit('pause.save', {
        state: { phase: 'paused', run },
        events: [{ type: 'container.paused', run: number, body: {} }],
      });
    } catch (error) {
      runtime.thaw(actor.run(number)); // it may not stay frozen without being paused
      throw error;
    }
  });
}

/** @throws BerthError WrongState when it is not paused */
export async function resumeContainer(actor: ContainerActor, parts: EngineParts): Promise<void> {
  const { number } = await actor.mailbox.run(() => liveIn(actor, 'paused', 'resume'));
  await actor.step('resume.resume', () => runtimeOf(parts, actor.spec).resume(actor.run(number)));
  await actor.mailbox.run(() => {
    const { state } = actor;
    if (state.phase !== 'paused' || state.run.number !== number) return; // stopped or resumed meanwhile: it runs
    actor.commit('resume.save', {
      state: { phase: 'running', run: state.run },
      events: [{ type: 'container.resumed', run: number, body: {} }],
    });
  });
}

function liveIn(actor: ContainerActor, wanted: 'running' | 'paused', verb: string): LiveRun {
  const state: ContainerState = actor.state;
  if (state.phase === wanted && state.run.stop === undefined) return state.run;
  const phase = describePhase(state);
  throw new BerthError(
    'WrongState',
    `Cannot ${verb} container "${actor.spec.name}": it is ${phase}, must be ${wanted}`,
  );
}
