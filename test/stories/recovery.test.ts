import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ContainerAnswer } from '../../src/api/berth/types.ts';
import { Daemon, story } from '../support/daemon.ts';
import { COUNTER, POLITE, terms } from '../support/programs.ts';

/** Prints a growing number every 20 ms. */
const TICKER = 'trap "exit 0" TERM; n=0; while :; do n=$((n + 1)); echo tick $n; sleep 0.02; done';

story(
  'kill -9 of the daemon with 20 running containers: all run on with the same pids, their logs go on, a stop ends on time',
  async (daemon) => {
    const started = await Promise.all(Array.from({ length: 20 }, () => daemon.run(TICKER)));
    const stopping = await daemon.run(COUNTER);
    await daemon.untilPrinted(stopping.id, 'ready');
    const begunAt = performance.now();
    daemon.stop(stopping.id, { graceMs: 4_000 }).catch(() => undefined);
    await sleepFor(1_000);

    await daemon.kill();
    await sleepFor(500);
    await daemon.boot();
    await daemon.untilRecovered();

    for (const { id, pid } of started) {
      const found = await daemon.inspect(id);
      assert.deepEqual([found.phase, found.pid], ['running', pid]);
    }
    const exit = await daemon.wait(stopping.id);
    assert.ok(Math.abs(performance.now() - begunAt - 4_000) < 1_000);
    assert.equal(exit.cause, 'stop');
    for (const { id } of started) {
      const numbers = [...(await daemon.output(id)).matchAll(/tick (\d+)/g)].map(([, number]) => Number(number));
      assert.ok(numbers.length > 50);
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
        'no line is lost',
      );
    }
    await Promise.all(started.map(({ id }) => daemon.stop(id)));
  },
);

story(
  'kill -9 of the daemon while 5 containers start and 5 stop: each runs, or has failed to start, or has stopped',
  async (daemon) => {
    const toStop = await Promise.all(Array.from({ length: 5 }, () => daemon.run(POLITE)));
    for (const { id } of toStop) await daemon.untilPrinted(id, 'ready');
    const toStart = await Promise.all(Array.from({ length: 5 }, () => daemon.create(POLITE)));

    for (const { id } of toStop) daemon.stop(id).catch(() => undefined);
    for (const { id } of toStart) daemon.post(`/v1/containers/${id}/start`).catch(() => undefined);
    await sleepFor(60);
    await daemon.kill();
    await daemon.boot();
    await daemon.untilRecovered();

    for (const { id } of toStop) {
      const exit = (await daemon.stop(id)).changed ? await daemon.wait(id) : (await daemon.inspect(id)).exit;
      assert.deepEqual([exit?.code, exit?.cause], [7, 'stop']);
    }
    for (const { id } of toStart) {
      const found = await daemon.inspect(id);
      assert.match(found.phase, /^(running|exited|created)$/);
      if (found.phase === 'exited') assert.equal(found.exit?.cause, 'start-failed');
      if (found.phase === 'running') assert.equal(Daemon.isProcessAlive(found.pid ?? 0), true);
    }
  },
);

story('L9: a monitor killed with -9: the container is fenced and says so, and a new run may start', async (daemon) => {
  const { id, pid = 0 } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  const begunAt = performance.now();
  process.kill(daemon.monitorOf(id), 'SIGKILL');

  const exit = await daemon.wait(id);

  assert.ok(performance.now() - begunAt < 2_000);
  assert.deepEqual([exit.cause, exit.log, Daemon.isProcessAlive(pid)], ['monitor-lost', 'cut', false]);
  await daemon.untilClean(id);
  await daemon.post(`/v1/containers/${id}/start`);
  assert.equal((await daemon.inspect(id)).phase, 'running');
});

story('L9: a monitor killed while no daemon is there is found out at the next start', async (daemon) => {
  const { id, pid = 0 } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  await daemon.kill();
  process.kill(daemon.monitorOf(id), 'SIGKILL');
  await daemon.boot();

  const exit = await daemon.wait(id);

  assert.deepEqual([exit.cause, Daemon.isProcessAlive(pid)], ['monitor-lost', false]);
});

story('L9: a monitor stopped with SIGSTOP: the exit is told within 2 s, with its exact code', async (daemon) => {
  const { id, pid = 0 } = await daemon.run('trap "exit 42" TERM; echo ready; while :; do sleep 1000 & wait $!; done');
  await daemon.untilPrinted(id, 'ready');
  process.kill(daemon.monitorOf(id), 'SIGSTOP');
  const begunAt = performance.now();
  process.kill(pid, 'SIGTERM');

  const exit = await daemon.wait(id);

  assert.ok(performance.now() - begunAt < 2_000);
  assert.deepEqual([exit.code, exit.cause, exit.witness], [42, 'self', 'pidfd']);
});

story('an exit while no daemon is there is told at the next start, with its code', async (daemon) => {
  const { id } = await daemon.run('sleep 0.5; exit 23');
  await daemon.kill();
  await sleepFor(1_000);
  await daemon.boot();
  const exit = await daemon.wait(id);
  assert.deepEqual([exit.code, exit.cause, exit.log], [23, 'self', 'complete']);
});

story('SIGTERM ends the daemon and leaves its containers running', async (daemon) => {
  const { id, pid } = await daemon.run(COUNTER);
  daemon.signal('SIGTERM');
  await daemon.untilGone();
  assert.equal(Daemon.isProcessAlive(pid ?? 0), true);
  await daemon.boot();
  assert.deepEqual([(await daemon.inspect(id)).phase, (await daemon.inspect(id)).pid], ['running', pid]);
});

story('a database that is destroyed: what runs is adopted, and stops as ever', async (daemon) => {
  const running = await daemon.run(POLITE, { name: 'survivor', labels: { tier: 'web' } });
  await daemon.untilPrinted(running.id, 'ready');
  await daemon.kill();
  for (const file of ['state.db', 'state.db-wal'])
    writeFileSync(`${daemon.root}/state/${file}`, 'no database at all '.repeat(100));
  await daemon.boot();
  await daemon.untilRecovered();

  const found = await daemon.inspect(running.id);
  assert.deepEqual(
    [found.name, found.phase, found.pid, found.labels],
    ['survivor', 'running', running.pid, { tier: 'web' }],
  );
  assert.ok(readdirSync(`${daemon.root}/state`).some((name) => name.startsWith('state.db.unreadable')));
  const result = await daemon.stop('survivor');
  assert.equal(result.changed && result.exit?.code, 7);
});

story('a second daemon on the same state is refused, and names the first', async (daemon) => {
  const second = spawn(process.execPath, ['bin/berth.ts', 'serve', '--config', `${daemon.root}/config.toml`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  second.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const [code] = (await once(second, 'exit')) as [number];

  assert.equal(code, 1);
  assert.match(said, new RegExp(`is using it|pid ${daemon.pid}`));
  await daemon.get('/v1/version');
});

story('neither PID 1 nor the monitor nor a guard holds a descriptor of the daemon', async (daemon) => {
  const { id, pid = 0 } = await daemon.run(COUNTER);
  await daemon.untilPrinted(id, 'ready');
  daemon.stop(id, { graceMs: 3_000 }).catch(() => undefined);
  await sleepFor(200);
  const guards = readFileSync(`${daemon.root}/run/runs/${id}/1/guards`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Number(line.split(' ')[0]));

  for (const holder of [pid, daemon.monitorOf(id), ...guards]) {
    const links = execFileSync('sh', ['-c', `ls -l /proc/${holder}/fd`], { encoding: 'utf8' });
    assert.doesNotMatch(links, /state\.db|berth\.sock|anon_inode:\[pidfd\]|\/lock/, links);
  }
  assert.ok(guards.length > 0);
});

story('a second start serves within 300 ms, and an idle daemon is small', async (daemon, t) => {
  await daemon.kill();
  await daemon.boot();
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    await daemon.kill();
    const begunAt = performance.now();
    await daemon.boot();
    times.push(performance.now() - begunAt);
  }
  await sleepFor(3_000);
  const rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1_024;
  const median = times.toSorted((a, b) => a - b)[3] ?? 0;
  t.diagnostic(
    `serving after ${Math.round(median)} ms (median), ${Math.round(Math.min(...times))} ms (min); idle RSS ${rss.toFixed(1)} MiB`,
  );

  // What else the host does only adds to it, so the quickest shows what berth itself takes.
  assert.ok(Math.min(...times) <= 300, `${times.map(Math.round).join(', ')} ms`);
  assert.ok(rss <= 110, `${rss} MiB`);
});

story(
  'L22: with a disk whose syncs take 5 s the daemon answers at once, exits are seen, and kills are on time',
  async (daemon, t) => {
    const counter = await daemon.run(COUNTER);
    await daemon.untilPrinted(counter.id, 'ready');
    const brief = await Promise.all(
      Array.from({ length: 5 }, (_, index) => daemon.run(`sleep ${2 + index / 5}; exit 3`)),
    );
    const tracer = spawn(
      'strace',
      [
        '-f',
        '-qq',
        '-p',
        String(daemon.pid),
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        'inject=fsync,fdatasync:delay_enter=5000000',
      ],
      { stdio: 'ignore' },
    );
    await sleepFor(500);
    const begunAt = performance.now();
    daemon.create('true').catch(() => undefined); // waits for the disk, and keeps a sync going
    const stop = daemon.stop(counter.id, { graceMs: 3_000 });

    const times: number[] = [];
    const exits = brief.map(async ({ id }) => {
      await daemon.wait(id);
      const { exit } = await daemon.inspect(id);
      return Date.now() - (exit?.exitedAt ?? 0);
    });
    while (performance.now() - begunAt < 3_500) {
      const askedAt = performance.now();
      await daemon.get<{ containers: ContainerAnswer[] }>('/v1/containers');
      times.push(performance.now() - askedAt);
      await sleepFor(10);
    }
    await stop;
    const stoppedMs = performance.now() - begunAt;
    const seenAfter = await Promise.all(exits);
    tracer.kill('SIGINT');
    await once(tracer, 'exit');

    const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
    t.diagnostic(
      `list p99 ${p99.toFixed(1)} ms of ${times.length}; exits seen after ${seenAfter.join(', ')} ms; killed after ${Math.round(stoppedMs)} ms`,
    );
    assert.ok(p99 <= 50, `p99 ${p99} ms`);
    for (const ms of seenAfter) assert.ok(ms <= 1_000, `seen after ${ms} ms`);
    assert.ok(stoppedMs < 4_500);
    assert.equal(terms(await daemon.output(counter.id)), 1);
  },
);
