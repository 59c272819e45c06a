import { FakeHost } from '../fakes/fake-host.ts';
import type { FakeProgram } from '../fakes/fake-host.ts';
import { FakeRuntime } from '../fakes/fake-runtime.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { Power } from '../fakes/power.ts';
import { containerRow, sandboxRow } from '../support/rows.ts';
import type { ProgramName } from './runtime.ts';
import { testRuntime } from './runtime.ts';

const PROGRAMS: Readonly<Record<ProgramName, FakeProgram>> = {
  counter: { handlerAfterMs: 1 },
  polite: { handlerAfterMs: 1, exitsAfterSignalMs: 1, exitCode: 7 },
  deaf: {},
  brief: { exitsAfterMs: 1, exitCode: 3 },
  echo: { prints: 'ready\n', echoes: true },
  missing: { startFailure: { exitCode: 127, message: 'executable file "missing" not found' } },
};

testRuntime('in memory', async () => {
  const clock = new ManualClock();
  const host = new FakeHost(clock);
  for (const [name, program] of Object.entries(PROGRAMS)) host.programs.set(name, program);
  let power = new Power();
  let runtime = new FakeRuntime(host, power);
  return {
    get runtime() {
      return runtime;
    },
    tellsEveryEnd: true,
    now: () => clock.now(),
    prepare: async (program, streams = {}) => {
      const row = containerRow({}, { runs: 1 });
      const process = { ...row.spec.process, args: [program], ...streams };
      const run = { containerId: row.spec.id, number: 1 };
      const sandbox = sandboxRow(row);
      const spec = { ...row.spec, process };
      await clock.complete(runtime.prepare({ run, row: { ...row, spec }, sandbox, pins: {}, pidOf: undefined }));
      return run;
    },
    received: (run) => host.history.get(run.containerId)?.at(-1)?.received.length ?? 0,
    complete: (promise) => clock.complete(promise),
    until: async (isTrue) => void (await clock.runUntil(isTrue, 60_000)),
    census: () => host.census(),
    restart: () => {
      power.cut();
      power = new Power();
      runtime = new FakeRuntime(host, power);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});
