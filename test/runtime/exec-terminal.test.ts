import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { newId } from '../../src/base/ids.ts';
import type { ExecPlan, ExecProcess, RunRef } from '../../src/engine/ports.ts';
import { Collected } from '../support/collect.ts';
import type { Driver } from '../support/driver.ts';
import { driverTest } from '../support/driver.ts';
import { allowance } from '../support/scale.ts';

function plan(args: readonly string[], more: Partial<ExecPlan> = {}): ExecPlan {
  const user = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
  const terminal = { hasStdin: true, hasTerminal: true, size: { width: 80, height: 24 } };
  return { id: newId(), args, env: ['PATH=/bin', 'TERM=xterm'], cwd: '/', user, ...terminal, ...more };
}

interface Session extends Collected {
  readonly exec: ExecProcess;
}

async function open(
  driver: Driver,
  run: RunRef,
  args: readonly string[],
  more: Partial<ExecPlan> = {},
): Promise<Session> {
  const exec = await driver.runtime.exec(run, plan(args, more), new AbortController().signal);
  return Object.assign(new Collected(exec.output), { exec });
}

const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script];

/** Masters of terminals and sockets in this process: a command that is over has none. */
function held(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      return /ptmx$|^socket:|^pipe:/.test(link) ? [link] : [];
    } catch {
      return []; // the folder's own
    }
  });
}

driverTest(
  'a command has its terminal, of the right size from the first moment on, and its exit code',
  async (driver) => {
    const { run } = await driver.start({});
    const session = await open(driver, run, shell('busybox tty; busybox stty size; echo err >&2; exit 42'), {
      size: { width: 101, height: 33 },
    });

    assert.deepEqual(await session.exec.ended, { code: 42, isOutputCut: false });
    await session.ended;

    assert.equal(session.stdout, '/dev/pts/0\r\n33 101\r\nerr\r\n');
    assert.equal(session.stderr, '');
    await driver.clean(run);
  },
);

driverTest('what is typed is echoed, reaches the command, and Ctrl-C interrupts it', async (driver) => {
  const { run } = await driver.start({});
  const script = 'trap "echo caught; exit 7" INT; read line; echo "got $line"; while :; do sleep 1000 & wait $!; done';
  const session = await open(driver, run, shell(script));

  await session.exec.write(Buffer.from('hello\n'));
  await session.until(({ stdout }) => stdout.includes('got hello'));
  await session.exec.write(Buffer.from('\x03'));

  assert.deepEqual(await session.exec.ended, { code: 7, isOutputCut: false });
  await session.ended;
  assert.equal(session.stdout, 'hello\r\ngot hello\r\n^Ccaught\r\n');
  await driver.clean(run);
});

driverTest('a terminal changes its size, and the command is told', async (driver) => {
  const { run } = await driver.start({});
  const script = 'trap "busybox stty size" WINCH; echo ready; while :; do sleep 1000 & wait $!; done';
  const session = await open(driver, run, shell(script));
  await session.until(({ stdout }) => stdout.includes('ready'));

  session.exec.resize({ width: 132, height: 50 });

  await session.until(({ stdout }) => stdout.includes('50 132'));
  await session.exec.kill();
  assert.equal((await session.exec.ended).code, 137);
  await driver.clean(run);
});

for (const [what, input] of [
  ['at the beginning of a line', 'a line\n'],
  ['within a line', 'half a line'],
]) {
  driverTest(`the end of the input is one for the command too, ${what}`, async (driver) => {
    const { run } = await driver.start({});
    const session = await open(driver, run, ['cat']);
    await session.exec.write(Buffer.from(input ?? ''));
    session.exec.closeInput();

    assert.equal((await session.exec.ended).code, 0);
    await session.ended;
    assert.ok(session.stdout.startsWith(input?.trimEnd() ?? ''));
    await driver.clean(run);
  });
}

driverTest(
  'a client that goes away hangs up: the command may say farewell, and then all of it is killed',
  async (driver) => {
    const { run } = await driver.start({});
    const note = `${driver.root}/image/tmp/farewell`;
    const polite = await open(
      driver,
      run,
      shell('trap "echo HUP >/tmp/farewell; exit 9" HUP; echo ready; while :; do sleep 0.1; done'),
    );
    await polite.until(({ stdout }) => stdout.includes('ready'));
    await polite.exec.abandon();
    assert.equal((await polite.exec.ended).code, 9);
    assert.equal(readFileSync(note, 'utf8'), 'HUP\n');
    rmSync(note);

    const deaf = await open(driver, run, shell('trap "" HUP; (setsid sleep 821 &); echo ready; sleep 822; sleep 823'));
    await deaf.until(({ stdout }) => stdout.includes('ready'));
    const begunAt = performance.now();
    await deaf.exec.abandon();
    assert.equal((await deaf.exec.ended).code, 137);
    assert.ok(performance.now() - begunAt >= 900, 'it had its time');
    const listed = await driver.exec(run, ['ps']);
    assert.doesNotMatch(listed.stdout, /sleep 82[123]/);
    await driver.clean(run);
  },
);

driverTest('a child that keeps the terminal holds nobody up for longer than one that keeps a pipe', async (driver) => {
  const { run } = await driver.start({});
  const begunAt = performance.now();
  const session = await open(driver, run, shell('setsid sleep 1000 & echo begun; exit 3'));

  assert.equal((await session.exec.ended).code, 3);
  await session.ended;

  assert.equal(session.stdout, 'begun\r\n');
  assert.ok(performance.now() - begunAt < 2_000 + allowance(1_000));
  await driver.clean(run);
});

driverTest('a command that cannot be run on a terminal is refused with a reason', async (driver) => {
  const { run } = await driver.start({});
  await assert.rejects(open(driver, run, ['no-such-program']), {
    code: 'InvalidArgument',
    exitCode: 127,
    message: /^Cannot run the command \(code 127\): executable file .no-such-program. not found/,
  });
  await assert.rejects(open(driver, run, ['/etc/passwd']), { code: 'InvalidArgument', exitCode: 126 });
  await driver.clean(run);
});

driverTest(
  'a client that does not read stops the command, not the memory; all of it comes in the end',
  async (driver) => {
    const { run } = await driver.start({});
    const exec = await driver.runtime.exec(
      run,
      plan(shell('busybox stty -onlcr; head -c 5000000 /dev/zero; touch /tmp/done; sleep 1')),
      new AbortController().signal,
    );
    await sleepFor(500);
    const done = `${driver.root}/image/tmp/done`;
    assert.equal(existsSync(done), false, 'it waits');

    const got = new Collected(exec.output, true);
    await got.ended;

    assert.equal(got.bytes, 5_000_000);
    rmSync(done);
    await driver.clean(run);
  },
);

driverTest('commands on terminals leave nothing behind, however they end', async (driver) => {
  const { run, monitor } = await driver.start({});
  await (await open(driver, run, ['true'])).exec.ended; // the thread is there from now on
  const before = held().length;
  const ends: readonly ((session: Session) => unknown)[] = [
    (session) => session.exec.closeInput(),
    (session) => session.exec.kill(),
    (session) => session.exec.abandon(),
  ];
  for (const end of ends) {
    const sessions = await Promise.all(Array.from({ length: 5 }, () => open(driver, run, ['cat'])));
    await Promise.all(sessions.map((session) => end(session)));
    await Promise.all(sessions.map((session) => session.exec.ended));
  }
  await assert.rejects(open(driver, run, ['no-such-program']));

  while (held().length > before) await sleepFor(10);

  const folder = readdirSync(`${driver.root}/run/runs/${run.containerId}/1`).filter((name) => name.startsWith('exec-'));
  assert.deepEqual(folder, []);
  assert.ok(driver.runtime.isAlive(monitor));
  await driver.clean(run);
});
