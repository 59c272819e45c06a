import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { newId } from '../../src/base/ids.ts';
import type { ExecPlan } from '../../src/engine/ports.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { withPipes } from '../../src/runtime/exec-pipes.ts';
import type { Driver, StartedRun } from '../support/driver.ts';
import { driverTest } from '../support/driver.ts';
import { layout } from '../support/process-in-cgroup.ts';
import { allowance } from '../support/scale.ts';

const startIdle = (driver: Driver): Promise<StartedRun> => driver.start({});

function plan(args: readonly string[], hasStdin = false): ExecPlan {
  const user = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
  return { id: newId(), args, env: ['PATH=/bin'], cwd: '/', user, hasStdin, hasTerminal: false, size: undefined };
}

/** The daemon's pipes: an exec that is over has none. */
function pipes(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)].filter((link) => link.startsWith('pipe:'));
    } catch {
      return []; // the folder's own
    }
  });
}

driverTest('a command’s standard streams can be opened by their names', async (driver) => {
  const { run } = await startIdle(driver);
  const script = 'echo hi >/dev/stdout; echo ho >/dev/stderr; cat /dev/stdin; echo hi >>/proc/self/fd/1';
  const done = await driver.exec(run, ['/bin/sh', '-c', script], { input: 'fed\n' });
  assert.deepEqual(done, { code: 0, stdout: 'hi\nfed\nhi\n', stderr: 'ho\n' });
  await driver.clean(run);
});

driverTest('a command of another user leaves the host’s /dev/null to root', async (driver) => {
  const { run } = await startIdle(driver);
  const user = { uid: 1001, gid: 1001, additionalGids: [], home: '/' };
  const done = await driver.exec(run, ['/bin/sh', '-c', 'cat; echo end'], { user });
  assert.equal(done.stdout, 'end\n');
  const { uid, gid } = statSync('/dev/null');
  assert.deepEqual({ uid, gid }, { uid: 0, gid: 0 });
  await driver.clean(run);
});

driverTest('a command of another user can open its streams as well', async (driver) => {
  const { run } = await startIdle(driver);
  const user = { uid: 1_000, gid: 1_001, additionalGids: [], home: '/' };
  const script = 'echo hi >/dev/stdout; echo ho >/dev/stderr; cat /dev/stdin';
  const done = await driver.exec(run, ['/bin/sh', '-c', script], { input: 'fed\n', user });
  assert.deepEqual(done, { code: 0, stdout: 'hi\nfed\n', stderr: 'ho\n' });
  await driver.clean(run);
});

driverTest('a command without input reads the end of it at once', async (driver) => {
  const { run } = await startIdle(driver);
  assert.deepEqual(await driver.exec(run, ['cat']), { code: 0, stdout: '', stderr: '' });
  await driver.clean(run);
});

driverTest('a command that does not read its input ends all the same', async (driver) => {
  const { run } = await startIdle(driver);
  const done = await driver.exec(run, ['/bin/sh', '-c', 'exit 3'], { input: 'x'.repeat(50_000) });
  assert.equal(done.code, 3);
  await driver.clean(run);
});

driverTest('megabytes go through a command and back, whole', async (driver) => {
  const { run } = await startIdle(driver);
  const exec = await driver.runtime.exec(run, plan(['cat'], true), new AbortController().signal);
  const chunk = Buffer.alloc(1 << 20, 'x');
  const writing = (async () => {
    for (let sent = 0; sent < 8; sent += 1) await exec.write(chunk);
    exec.closeInput();
  })();
  let bytes = 0;
  for await (const { data } of exec.output) bytes += data.length;
  await writing;
  assert.equal(bytes, 8 << 20);
  assert.deepEqual(await exec.ended, { code: 0, isOutputCut: false });
  await driver.clean(run);
});

driverTest('a reader that stops makes the command wait, and not the memory grow', async (driver) => {
  const { run } = await startIdle(driver);
  const exec = await driver.runtime.exec(run, plan(['yes']), new AbortController().signal);
  const before = process.memoryUsage().arrayBuffers;
  await sleepFor(500);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20);
  const waits = (): string => readFileSync(`/proc/${exec.identity.pid}/wchan`, 'utf8');
  assert.match(waits(), /pipe/);
  await exec.kill();
  await exec.ended;
  await driver.clean(run);
});

driverTest('a command whose child keeps its output returns in time', async (driver) => {
  const { run } = await startIdle(driver);
  const begunAt = performance.now();
  const exec = await driver.runtime.exec(run, plan(['/bin/sh', '-c', 'sleep 1000 &']), new AbortController().signal);
  const ended = await exec.ended;
  assert.deepEqual(ended, { code: 0, isOutputCut: true });
  assert.ok(performance.now() - begunAt < 2_000 + allowance(2_000));
  await driver.clean(run);
});

driverTest('killing a command ends all that it started, and nothing else', async (driver) => {
  const { run, init } = await startIdle(driver);
  const script = 'sleep 4321 & (setsid sleep 4321 &); sleep 4321';
  const exec = await driver.runtime.exec(run, plan(['/bin/sh', '-c', script]), new AbortController().signal);
  const inContainer = (): number => driver.runtime.usage(run)?.processes ?? 0;
  while (inContainer() < 4) await sleepFor(5);

  await exec.kill();

  assert.equal((await exec.ended).code, 137);
  while (inContainer() > 1) await sleepFor(5);
  assert.deepEqual(new Cgroup(layout, `${driver.cgroupParent}/${run.containerId}`).pids(), [init.pid]);
  await driver.clean(run);
});

driverTest('many commands leave no descriptor and no process', async (driver) => {
  const { run } = await startIdle(driver);
  await driver.exec(run, ['true']);
  const before = { pipes: pipes(), descriptors: readdirSync('/proc/self/fd').length };
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([
      driver.exec(run, ['/bin/sh', '-c', 'echo out; echo err >&2']),
      driver.exec(run, ['cat'], { input: 'fed' }),
      assert.rejects(driver.exec(run, ['no-such-program']), { code: 'InvalidArgument' }),
    ]);
  }
  assert.deepEqual(pipes(), before.pipes);
  assert.ok(readdirSync('/proc/self/fd').length <= before.descriptors + 1);
  await driver.clean(run);
});

test('a command that cannot be started leaves no pipe', () => {
  const before = pipes();
  assert.throws(() =>
    withPipes({ hasStdin: true }, () => {
      assert.equal(pipes().length, before.length + 6);
      throw new Error('no more processes');
    }),
  );
  assert.deepEqual(pipes(), before);
});
