import { BerthError } from '../../src/base/errors.ts';
import type { CleanStep } from '../../src/engine/ports.ts';
import type { FakeHost, FakeRun } from './fake-host.ts';

/** What is to be undone of a run in memory. @param what its runtime id */
export function fakeCleanSteps(
  host: FakeHost,
  what: string,
  slow: (work: () => void) => Promise<void>,
): readonly CleanStep[] {
  const step = (kind: CleanStep['kind'], act: (made: FakeRun) => void): CleanStep => ({
    kind,
    what,
    perform: () =>
      slow(() => {
        const made = host.runs.get(what);
        if (made !== undefined) act(made);
      }),
  });
  return [
    step('processes', ({ process, monitor }) => {
      process?.signal(9);
      if (process?.isAlive === true) throw new BerthError('Busy', 'it hangs in the kernel');
      monitor?.end();
    }),
    step('runtime', (made) => {
      made.isKnownToRuntime = false;
    }),
    step('cgroup', ({ process }) => {
      if (process?.isAlive === true) throw new BerthError('Busy', 'its cgroup is not empty');
    }),
    step('rootfs', () => host.mounts.delete(`/run/${what}/rootfs`)),
    step('run-folder', () => host.runs.delete(what)),
  ];
}
