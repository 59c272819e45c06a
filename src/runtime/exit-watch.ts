import type { Clock } from '../base/clock.ts';
import type { RunProcesses } from '../engine/container/state.ts';
import type { InitEnd, RunRef, RunWatch } from '../engine/ports.ts';
import { decodeWaitStatus } from '../linux/process.ts';
import type { ProcessEnd, ProcessWatch } from '../linux/process-watch.ts';
import type { Monitor } from './monitor.ts';

/** Watches both processes of a run. One that is gone already has ended at an unknown time, in an unknown way. */
export function watchRun(
  parts: { readonly processes: ProcessWatch; readonly monitor: Monitor; readonly clock: Clock },
  run: RunRef,
  { init, monitor }: RunProcesses,
): RunWatch {
  const initWatch = parts.processes.watch(init);
  const monitorWatch = parts.processes.watch(monitor);
  return {
    initEnded: initWatch === undefined ? Promise.resolve(goneAt(parts.clock)) : initWatch.ended.then(initEnd),
    monitorEnded: monitorWatch === undefined ? Promise.resolve() : monitorWatch.ended.then(() => undefined),
    readExitFile: () => parts.monitor.readExit(run),
    [Symbol.dispose]: () => {
      initWatch?.[Symbol.dispose]();
      monitorWatch?.[Symbol.dispose]();
    },
  };
}

function initEnd({ at, waitStatus }: ProcessEnd): InitEnd {
  return { at, wait: waitStatus === undefined ? undefined : decodeWaitStatus(waitStatus) };
}

function goneAt(clock: Clock): InitEnd {
  return { at: clock.now(), wait: undefined };
}
