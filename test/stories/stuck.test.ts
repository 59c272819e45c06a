import assert from 'node:assert/strict';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { story } from '../support/daemon.ts';
import type { Daemon } from '../support/daemon.ts';
import { makeFreezableFs, untilStuck } from '../support/frozen-fs.ts';
import { COUNTER, DEAF, POLITE } from '../support/programs.ts';
import { repetitions } from '../support/scale.ts';

const WRITER = 'echo ready; while :; do echo x > /data/file; sleep 0.01; done';

/** p99 of the time that a whole start and stop of another container takes, in ms. */
async function startAndStop(daemon: Daemon, rounds: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begunAt = performance.now();
    const { id } = await daemon.run('trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done');
    await daemon.stop(id, { graceMs: 5_000 });
    times.push(performance.now() - begunAt);
    await daemon.remove(id);
  }
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? 0;
}

story(
  'L8: a process that hangs in the kernel: the stop answers with the diagnosis, disturbs nobody, and ends by itself',
  { config: '[stop]\nkill_budget = "2s"' },
  async (daemon, t) => {
    using fs = makeFreezableFs();
    const rounds = repetitions(200);
    const before = await startAndStop(daemon, rounds);
    const { id, pid = 0 } = await daemon.run(WRITER, { mounts: [{ kind: 'bind', source: fs.path, target: '/data' }] });
    await daemon.untilPrinted(id, 'ready');
    fs.freeze();
    await untilStuck(pid);
    const begunAt = performance.now();

    await assert.rejects(daemon.stop(id, { graceMs: 1_000 }), {
      code: 'DeadlineExceeded',
      message: /outlives SIGKILL by 2s: Process \d+ \(sh\) hangs in the kernel \(state D\).*file system at \/data/,
    });
    const answeredMs = performance.now() - begunAt;
    const { findings, summary } = await daemon.why(id);
    const during = await startAndStop(daemon, rounds);
    fs.thaw();
    const thawedAt = performance.now();
    const exit = await daemon.wait(id);
    const endedMs = performance.now() - thawedAt;

    t.diagnostic(
      `answered after ${Math.round(answeredMs)} ms; p99 of others ${before.toFixed(0)} → ${during.toFixed(0)} ms; ended ${Math.round(endedMs)} ms after the thaw`,
    );
    assert.ok(Math.abs(answeredMs - 3_000) < 700, `answered after ${answeredMs} ms`);
    assert.ok(
      findings.some(({ kind, text }) => kind === 'stuck-process' && text.includes('/data')),
      JSON.stringify(findings),
    );
    assert.match(summary, /SIGKILL was sent/);
    assert.ok(endedMs <= 2_000);
    assert.deepEqual([exit.cause, exit.signal], ['stop', 'SIGKILL']);
    // a single slow start in a short run moves its p99 by more than the bound, so it is held against it in the long run
    assert.ok(during < before * (rounds >= 200 ? 1.2 : 2), `p99 of others ${before} → ${during} ms`);
  },
);

story('why: PID 1 ignores its stop signal', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  await sleepFor(4_500);

  const { findings, phase } = await daemon.why(id);

  assert.equal(phase, 'running');
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['ignored-signal'],
  );
  const warnings = (await daemon.history(id)).filter(({ type }) => type === 'container.warning');
  assert.equal(warnings.length, 1, 'and it was told within 5 s of the start');
});

story('why: the container is frozen, by itself or by an ancestor', async (daemon) => {
  const { id } = await daemon.run(POLITE);
  await daemon.untilPrinted(id, 'ready');
  daemon.freezeFromOutside(id);
  assert.deepEqual(
    (await daemon.why(id)).findings.map(({ kind }) => kind),
    ['frozen'],
  );
  daemon.thawFromOutside(id);

  daemon.freezeParentFromOutside();
  try {
    const { findings } = await daemon.why(id);
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['frozen-ancestor'],
    );
    assert.match(findings[0]?.text ?? '', new RegExp(daemon.cgroupParent));
  } finally {
    daemon.thawParentFromOutside();
  }
});

story('why: a stop waits for its grace', async (daemon) => {
  const { id } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  daemon.stop(id, { graceMs: 8_000 }).catch(() => undefined);
  await sleepFor(1_000);

  const { phase, summary } = await daemon.why(id);

  assert.equal(phase, 'stopping');
  assert.match(summary, /waits for its grace: SIGTERM was sent .* ago \(delivered\), SIGKILL follows in [67](\.\d+)?s/);
  await daemon.stop(id, { graceMs: 0 });
});

const SLOW_CRUN = `#!/bin/sh
case "$*" in *create*) sleep 3 ;; esac
exec /usr/bin/crun "$@"
`;
const TWO_HANDLERS = `
[runtime.handlers.crun]
path = "crun"
[runtime.handlers.slow]
path = "ROOT/slow-crun"`;

story(
  'why: a start waits for the runtime',
  { config: TWO_HANDLERS, programs: { 'slow-crun': SLOW_CRUN } },
  async (daemon) => {
    const { id } = await daemon.create(POLITE, { handler: 'slow' });
    const start = daemon.post(`/v1/containers/${id}/start`);
    start.catch(() => undefined);
    await sleepFor(1_000);

    const { summary, findings } = await daemon.why(id);

    assert.match(summary, /^It is starting and waits for the runtime to make the container \([\d.]+m?s so far\)$/);
    assert.equal(findings[0]?.kind, 'runtime');
    await start;
  },
);

story('why: a child holds the output of a command that has ended', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  const exec = daemon.exec(id, ['/bin/sh', '-c', 'sleep 100 & echo started']);
  await sleepFor(700);

  const { findings } = await daemon.why(id);

  const holder = findings.find(({ kind }) => kind === 'holds-output');
  assert.match(holder?.text ?? '', /Process \d+ \(sleep\) still holds the output/);
  const { code, isOutputCut } = await exec;
  assert.deepEqual([code, isOutputCut], [0, true]);
});
