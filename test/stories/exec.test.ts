import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { detectCgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { story } from '../support/daemon.ts';
import { DEAF } from '../support/programs.ts';
import { allowance, repetitions } from '../support/scale.ts';

story('a command has its exit code, its streams apart, its input, its user and its folder', async (daemon) => {
  const { id } = await daemon.run(DEAF, { env: ['COLOUR=red'] });

  const plain = await daemon.exec(id, ['/bin/sh', '-c', 'echo out; echo err >&2; exit 42']);
  const fed = await daemon.exec(id, ['cat'], { hasStdin: true }, 'one\ntwo\n');
  const other = await daemon.exec(id, ['/bin/sh', '-c', 'id -u; id -g; pwd; echo $COLOUR $EXTRA $HOME'], {
    user: 'web',
    cwd: '/tmp',
    env: ['EXTRA=yes'],
  });

  assert.deepEqual([plain.code, plain.stdout, plain.stderr], [42, 'out\n', 'err\n']);
  assert.equal(fed.stdout, 'one\ntwo\n');
  assert.equal(other.stdout, '1000\n1001\n/tmp\nred yes /home/web\n');
});

story('50 MiB through a command arrive whole, and the daemon does not grow with them', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  const before = rssOf(daemon.pid);
  const { bytes, code } = await daemon.exec(id, ['head', '-c', String(50 << 20), '/dev/zero'], {}, undefined, {
    isCounting: true,
  });
  assert.deepEqual([bytes, code], [50 << 20, 0]);
  assert.ok(rssOf(daemon.pid) - before < 100, `${before} → ${rssOf(daemon.pid)} MiB`);
});

story('a command that cannot be run is refused with a reason', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  await assert.rejects(daemon.exec(id, ['no-such-program']), { code: 'InvalidArgument', message: /not found/ });
  await assert.rejects(daemon.exec(id, ['/etc/passwd']), {
    code: 'InvalidArgument',
    message: /[Pp]ermission denied|not permitted/,
  });
  await assert.rejects(daemon.exec(id, ['true'], { user: 'nobody-here' }), {
    code: 'InvalidArgument',
    message: /user "nobody-here"/,
  });
  await assert.rejects(daemon.exec(id, []), { code: 'InvalidArgument' });
});

story('a paused or ended container runs no command, and says why', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  await daemon.post(`/v1/containers/${id}/pause`);
  await assert.rejects(daemon.exec(id, ['true']), { code: 'WrongState', message: /it is paused, must be running/ });
  await daemon.stop(id, { graceMs: 0 });
  await assert.rejects(daemon.exec(id, ['true']), { code: 'WrongState', message: /it is exited, must be running/ });
});

story('a command that takes too long is killed with all that it started', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  const begunAt = performance.now();

  const result = await daemon.exec(id, ['/bin/sh', '-c', 'sleep 711 & (setsid sleep 712 &) ; sleep 0.2; sleep 713'], {
    timeoutMs: 1_000,
  });

  assert.equal(result.isTimedOut, true);
  assert.ok(performance.now() - begunAt < 1_000 + allowance(2_500));
  await daemon.untilNoProcess(id, /sleep 71[123]/);
});

if (detectCgroupLayout().mode === 'v2') {
  story('a container that hands its controllers to a cgroup of its own can still run commands', async (daemon) => {
    const nest = 'mkdir inner && echo 1 >inner/cgroup.procs && echo +memory >cgroup.subtree_control';
    const { id } = await daemon.run(`cd /sys/fs/cgroup && ${nest} && echo nested; ${DEAF}`, {
      security: { isPrivileged: true },
    });
    await daemon.untilPrinted(id, 'nested');

    assert.equal((await daemon.exec(id, ['true'])).code, 0);
  });
}

story('a client that goes away takes its command with it', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  const gone = new AbortController();
  const abandoned = daemon.abandon('POST', `/v1/containers/${id}/exec`, { args: ['sleep', '714'] }, gone.signal);
  await daemon.untilProcess(id, /sleep 714/);
  gone.abort();
  await abandoned;
  await daemon.untilNoProcess(id, /sleep 714/);
});

story('a client that goes away at any moment of a start takes its command with it', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  for (let afterMs = 0; afterMs <= 60; afterMs += 3) {
    const gone = AbortSignal.timeout(allowance(afterMs));
    await daemon.abandon('POST', `/v1/containers/${id}/exec`, { args: ['sleep', '715'] }, gone);
  }
  await daemon.exec(id, ['true']); // what was begun before has begun
  await daemon.untilNoProcess(id, /sleep 715/);
});

story(
  'L12: a command whose child keeps the pipe returns in time, and many of them leave nothing in the daemon',
  async (daemon, t) => {
    const { id } = await daemon.run(DEAF);
    const begunAt = performance.now();
    const first = await daemon.exec(id, ['/bin/sh', '-c', 'sleep 1d &']);
    const tookMs = performance.now() - begunAt;
    assert.ok(tookMs <= 2_000 + allowance(400), `${tookMs} ms`);
    assert.deepEqual([first.code, first.isOutputCut], [0, true]);
    await daemon.exec(id, ['/bin/sh', '-c', 'kill -9 $(ps | grep "sleep 1d" | grep -v grep | cut -c1-6)']);

    const batch = async (): Promise<void> => {
      await Promise.all(Array.from({ length: 20 }, () => daemon.exec(id, ['/bin/sh', '-c', 'sleep 30 & exit 0'])));
      await daemon.exec(id, ['/bin/sh', '-c', 'kill -9 $(ps | grep "sleep 30" | grep -v grep | cut -c1-6)']);
    };
    await batch();
    await sleepFor(500);
    const before = footprint(daemon.pid);
    for (let round = 0; round < repetitions(1_000) / 20; round += 1) await batch();
    await sleepFor(3_000);
    const after = footprint(daemon.pid);

    t.diagnostic(
      `first took ${Math.round(tookMs)} ms; descriptors ${before.descriptors} → ${after.descriptors}, children ${before.children} → ${after.children}, RSS ${before.rss} → ${after.rss} MiB`,
    );
    assert.ok(after.descriptors <= before.descriptors + 1);
    assert.ok(after.children <= before.children);
  },
);

function footprint(pid: number): { readonly descriptors: number; readonly children: number; readonly rss: number } {
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    children: readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).length,
    rss: rssOf(pid),
  };
}

function rssOf(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024);
}
