import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { boottime } from '../../src/linux/abi.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { Driver } from '../support/driver.ts';
import { layouts } from '../support/process-in-cgroup.ts';
import { containerSpec } from '../support/rows.ts';
import type { ProgramName, RuntimeUnderTest } from './runtime.ts';
import { testRuntime } from './runtime.ts';

const PROGRAMS: Readonly<Record<ProgramName, readonly string[]>> = {
  counter: ['/bin/sh', '-c', 'trap "echo TERM" TERM; while :; do sleep 1000 & wait $!; done'],
  polite: ['/bin/sh', '-c', 'trap "exit 7" TERM; while :; do sleep 1000 & wait $!; done'],
  deaf: ['/bin/sleep', '1000'],
  brief: ['/bin/sh', '-c', 'exit 3'],
  missing: ['no-such-program'],
  echo: ['/bin/sh', '-c', 'echo ready; exec cat'],
};

async function open(layout: CgroupLayout): Promise<RuntimeUnderTest> {
  const driver = await Driver.open(layout);
  return {
    get runtime() {
      return driver.runtime;
    },
    tellsEveryEnd: isKernelSince(6, 15), // PIDFD_GET_INFO
    now: boottime,
    prepare: (program, streams = {}) =>
      driver.prepare({ process: { ...containerSpec({}).process, args: PROGRAMS[program], ...streams } }),
    received: (run) => readFileSync(driver.logOf(run), 'utf8').split('TERM').length - 1,
    complete: (promise) => promise,
    until: async (isTrue) => {
      while (!isTrue()) await sleepFor(5);
    },
    census: () => driver.census(),
    restart: () => driver.reopen(),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

function isKernelSince(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release().split('.').map(Number.parseFloat);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

for (const layout of layouts) testRuntime(`crun under conmon (${layout.mode})`, () => open(layout));
