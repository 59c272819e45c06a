import assert from 'node:assert/strict';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { Daemon, story } from '../support/daemon.ts';
import { COUNTER, DEAF, POLITE, terms } from '../support/programs.ts';
import { allowance, isOnTime, repetitions } from '../support/scale.ts';

story(
  'L1: twenty stops at once, and the daemon killed in the midst of them again and again: one signal',
  async (daemon) => {
    const { id } = await daemon.run(COUNTER);
    await daemon.untilPrinted(id, 'ready');
    const killAt = Date.now() + allowance(6_000);

    for (let round = 0; round < 4; round += 1) {
      const graceMs = Math.max(0, killAt - Date.now());
      const stops = Array.from({ length: 5 }, () => daemon.stop(id, { graceMs }));
      for (const stop of stops) stop.catch(() => undefined);
      await sleepFor(allowance(round === 0 ? 5 : 300));
      await daemon.kill();
      await daemon.boot();
    }
    const exit = await daemon.wait(id);

    assert.equal(exit.cause, 'stop');
    assert.ok(Date.now() - killAt < allowance(2_000));
    assert.equal(terms(await daemon.output(id)), 1);
  },
);

story('L2: client and daemon killed during the grace, and never back: SIGKILL lands on time', async (daemon) => {
  const { id, pid = 0 } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  const begunAt = performance.now();

  daemon.stop(id, { graceMs: 4_000 }).catch(() => undefined);
  await sleepFor(1_000);
  await daemon.kill();
  while (isAlive(pid)) await sleepFor(5);
  const tookMs = performance.now() - begunAt;
  await daemon.boot();
  const exit = await daemon.wait(id);

  assert.ok(Math.abs(tookMs - 4_000) < 1_000, `killed after ${tookMs} ms`);
  assert.equal(exit.cause, 'stop');
  assert.equal(exit.stop?.isEscalated, true);
  assert.equal(terms(await daemon.output(id)), 1);
  const escalated = (await daemon.history(id)).find(({ type }) => type === 'stop.escalated');
  assert.equal(escalated?.body['by'], 'guard');
});

story('L2: the daemon is back before the end of the grace: still one signal, still on time', async (daemon) => {
  const { id } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  const graceMs = 3_000 + allowance(1_000); // time for a start of the daemon
  const begunAt = performance.now();

  daemon.stop(id, { graceMs }).catch(() => undefined);
  await sleepFor(500);
  await daemon.kill();
  await sleepFor(500);
  await daemon.boot();
  const exit = await daemon.wait(id);

  const tookMs = performance.now() - begunAt;
  assert.ok(Math.abs(tookMs - graceMs) < 1_000, `killed after ${tookMs} ms`);
  assert.deepEqual([exit.cause, exit.signal], ['stop', 'SIGKILL']);
  assert.equal(terms(await daemon.output(id)), 1);
});

for (const [first, second, expected] of [
  [20_000, 1_000, 2_000],
  [2_000, 20_000, 2_000],
] as const) {
  story(`L3: stop(${first}) and a second later stop(${second}): SIGKILL after ${expected} ms`, async (daemon) => {
    const { id } = await daemon.run(COUNTER);
    await daemon.untilPrinted(id, 'ready');
    const begunAt = performance.now();
    const one = daemon.stop(id, { graceMs: first });
    await sleepFor(1_000);
    await Promise.all([one, daemon.stop(id, { graceMs: second })]);
    const tookMs = performance.now() - begunAt;

    assert.ok(isOnTime(tookMs, expected, 500), `killed after ${tookMs} ms`);
    assert.equal(terms(await daemon.output(id)), 1);
  });
}

story(
  'L4: a client that goes away during a stop changes nothing: no exit and no unmount before the process is gone',
  async (daemon) => {
    const { id, pid = 0 } = await daemon.run(COUNTER);
    await daemon.untilPrinted(id, 'ready');
    const begunAt = performance.now();
    const request = new AbortController();

    const gone = daemon.abandon('POST', `/v1/containers/${id}/stop`, { graceMs: 3_000 }, request.signal);
    await sleepFor(500);
    request.abort();
    await gone;
    await sleepFor(1_000);
    const found = await daemon.inspect(id);

    assert.equal(found.phase, 'stopping');
    assert.equal(isAlive(pid), true);
    assert.ok(daemon.mounts().some((mount) => mount.includes(id)));
    const exit = await daemon.wait(id);
    const tookMs = performance.now() - begunAt;
    assert.ok(isOnTime(tookMs, 3_000, 500), `killed after ${tookMs} ms`);
    assert.equal(exit.cause, 'stop');
  },
);

story('L5: a stop at any point of a start', async (daemon, t) => {
  const seen: Record<string, number> = {};
  for (let round = 0; round < repetitions(200); round += 1) {
    const { id } = await daemon.create(POLITE);
    const start = daemon.post(`/v1/containers/${id}/start`);
    start.catch(() => undefined);
    await sleepFor(allowance((round * 7) % 140));
    const result = await daemon.stop(id, { graceMs: 10_000 });
    await start.catch(() => undefined);
    if (!result.changed) await daemon.stop(id, { graceMs: 10_000 }); // the start had not been asked for yet
    const { exit } = await daemon.untilPhase(id, 'exited');
    const told = (await daemon.history(id)).map(({ type }) => type);

    assert.ok(told.lastIndexOf('container.started') < told.indexOf('container.exited'), told.join(' '));
    if (exit?.signal === undefined) assert.equal(exit?.code, 7, 'its handler ran');
    else assert.deepEqual([exit.cause, exit.startedAt], ['stop', undefined], 'killed before its program ran');
    seen[exit?.signal ?? `code ${exit?.code}`] = (seen[exit?.signal ?? `code ${exit?.code}`] ?? 0) + 1;
    await daemon.remove(id);
  }
  t.diagnostic(`ends: ${JSON.stringify(seen)}`);
});

story('L7: a paused container that is stopped is resumed for it, signalled, and exits by itself', async (daemon) => {
  const { id } = await daemon.run(POLITE);
  await daemon.untilPrinted(id, 'ready');
  await daemon.post(`/v1/containers/${id}/pause`);
  assert.equal((await daemon.inspect(id)).phase, 'paused');

  const result = await daemon.stop(id, { graceMs: 10_000 });

  assert.ok(result.changed && !result.isKilled);
  assert.equal(result.exit?.code, 7);
});

story('L7: a container that somebody else has frozen is thawed for its stop', async (daemon) => {
  const { id } = await daemon.run(POLITE);
  await daemon.untilPrinted(id, 'ready');
  daemon.freezeFromOutside(id);

  const result = await daemon.stop(id, { graceMs: 10_000 });

  assert.equal(result.changed && result.exit?.code, 7);
});

story('L7: SIGHUP leaves a paused container paused', async (daemon) => {
  const { id } = await daemon.run('trap "echo HUP" HUP; echo ready; while :; do sleep 1000 & wait $!; done');
  await daemon.untilPrinted(id, 'ready');
  await daemon.post(`/v1/containers/${id}/pause`);

  await daemon.post(`/v1/containers/${id}/kill`, { signal: 'HUP' });
  await sleepFor(300);

  assert.equal((await daemon.inspect(id)).phase, 'paused');
  assert.ok(!(await daemon.output(id)).includes('HUP'));
  await daemon.post(`/v1/containers/${id}/resume`);
  await daemon.untilPrinted(id, 'HUP');
});

story('a PID 1 that ignores its stop signal: the grace passes, and the answer says why', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  await sleepFor(2_100); // old enough that nobody waits for its handler

  const result = await daemon.stop(id, { graceMs: 1_000 });

  assert.ok(result.changed);
  assert.deepEqual([result.delivery, result.isKilled], ['ignored', true]);
});

story(
  'a daemon whose event loop is blocked for 10 s: the kill lands on time all the same',
  { fail: 'stop.sent.after:sleep:10000' },
  async (daemon) => {
    const { id, pid = 0 } = await daemon.run(COUNTER);
    await daemon.untilPrinted(id, 'ready');
    const begunAt = performance.now();
    daemon.stop(id, { graceMs: 3_000 }).catch(() => undefined);

    while (isAlive(pid)) await sleepFor(5);

    const tookMs = performance.now() - begunAt;
    assert.ok(Math.abs(tookMs - 3_000) < 1_000, `killed after ${tookMs} ms`);
    assert.equal((await daemon.wait(id)).cause, 'stop');
  },
);

story('a daemon that is stopped by SIGSTOP: the kill lands on time all the same', async (daemon) => {
  const { id, pid = 0 } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  const begunAt = performance.now();
  daemon.stop(id, { graceMs: 2_000 }).catch(() => undefined);
  await daemon.untilPrinted(id, 'TERM');
  daemon.signal('SIGSTOP');

  while (isAlive(pid)) await sleepFor(5);

  const tookMs = performance.now() - begunAt;
  assert.ok(Math.abs(tookMs - 2_000) < 1_000, `killed after ${tookMs} ms`);
  daemon.signal('SIGCONT');
  const exit = await daemon.wait(id);
  assert.deepEqual([exit.cause, exit.stop?.isEscalated, terms(await daemon.output(id))], ['stop', true, 1]);
  const escalations = (await daemon.history(id)).filter(({ type }) => type === 'stop.escalated');
  assert.deepEqual(
    escalations.map(({ body }) => body['by']),
    ['guard'],
  );
});

function isAlive(pid: number): boolean {
  return Daemon.isProcessAlive(pid);
}
