import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { story } from '../support/daemon.ts';
import { POLITE } from '../support/programs.ts';
import { allowance } from '../support/scale.ts';

/** The figures that README.md quotes. The bounds are far above them: they catch a change of kind, not a busy host. */

const ROUNDS = 30;

function report(t: TestContext, what: string, times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  t.diagnostic(
    `${what}: ${median.toFixed(1)} ms (median), ${(sorted[0] ?? Number.NaN).toFixed(1)} ms (min) of ${times.length}`,
  );
  return median;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begunAt = performance.now();
  await work();
  return performance.now() - begunAt;
}

story('how long create, start, stop and exec take', async (daemon, t) => {
  const times = { create: [], start: [], exec: [], stop: [] } as Record<'create' | 'start' | 'exec' | 'stop', number[]>;
  for (let round = 0; round < ROUNDS; round += 1) {
    let id = '';
    times.create.push(await timed(async () => ({ id } = await daemon.create(POLITE))));
    times.start.push(await timed(() => daemon.post(`/v1/containers/${id}/start`)));
    await daemon.untilPrinted(id, 'ready');
    times.exec.push(await timed(() => daemon.exec(id, ['/bin/true'])));
    times.stop.push(await timed(() => daemon.stop(id))); // its program ends within a millisecond of the signal
    await daemon.remove(id);
  }

  for (const verb of ['create', 'start', 'exec', 'stop'] as const) {
    assert.ok(report(t, verb, times[verb]) < allowance(300), verb);
  }
});

story('how long a daemon takes until it has taken up 20 running containers', async (daemon, t) => {
  await Promise.all(Array.from({ length: 20 }, () => daemon.run(POLITE)));
  const serving: number[] = [];
  const recovered: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    await daemon.kill();
    const begunAt = performance.now();
    await daemon.boot();
    serving.push(performance.now() - begunAt);
    await daemon.untilRecovered();
    recovered.push(performance.now() - begunAt);
  }

  report(t, 'serving', serving);
  assert.ok(report(t, 'recovered', recovered) < allowance(2_000));
});
