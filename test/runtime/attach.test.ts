import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { RunProcesses } from '../../src/engine/container/state.ts';
import type { AttachOptions, AttachStream, RunRef } from '../../src/engine/ports.ts';
import { Collected } from '../support/collect.ts';
import { driverTest, printedIn } from '../support/driver.ts';
import type { Driver } from '../support/driver.ts';
import { containerRow } from '../support/rows.ts';

const BOTH: AttachOptions = { hasInput: true, hasOutput: true };
const OUTPUT: AttachOptions = { hasInput: false, hasOutput: true };
const INPUT: AttachOptions = { hasInput: true, hasOutput: false };

type Streams = Partial<{ hasTerminal: boolean; hasStdin: boolean; isStdinOnce: boolean }>;

/** A container whose program waits to be let go. */
class Created {
  readonly run: RunRef;
  readonly processes: RunProcesses;
  readonly #driver: Driver;

  private constructor(driver: Driver, run: RunRef, processes: RunProcesses) {
    this.#driver = driver;
    this.run = run;
    this.processes = processes;
  }

  static async make(driver: Driver, script: string, streams: Streams = {}): Promise<Created> {
    const { process } = containerRow({}).spec;
    const run = await driver.prepare({ process: { ...process, args: ['/bin/sh', '-c', script], ...streams } });
    const made = await driver.runtime.create(run, new AbortController().signal);
    assert.ok('init' in made, JSON.stringify(made));
    return new Created(driver, run, made);
  }

  attach(options: AttachOptions): Promise<AttachStream> {
    return this.#driver.runtime.attach(this.run, options);
  }

  async release(): Promise<void> {
    await this.#driver.runtime.release(this.run);
  }

  async untilLogged(text: string): Promise<void> {
    while (!printedIn(this.#driver.logOf(this.run)).includes(text)) await sleepFor(5);
  }

  get logBytes(): number {
    return statSync(this.#driver.logOf(this.run)).size;
  }

  /** The monitor's sockets, by number. */
  get sockets(): number {
    const { pid } = this.processes.monitor;
    return readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:'))
      .length;
  }

  /** Hundredths of a second that the monitor has worked. */
  get monitorTicks(): number {
    const fields = readFileSync(`/proc/${this.processes.monitor.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  }

  /** Everything of it goes, and nothing of it is left in this process. */
  async clean(): Promise<void> {
    await this.#driver.clean(this.run);
  }
}

driverTest('whoever attaches before the start misses no byte, of either stream', async (driver) => {
  const created = await Created.make(driver, 'echo out; echo err >&2; exit 3');
  using attached = await created.attach(OUTPUT);
  const got = new Collected(attached.output);
  await created.release();

  await got.ended;

  assert.deepEqual([got.stdout, got.stderr], ['out\n', 'err\n']);
  await created.clean();
});

driverTest('several clients share one connection, and each gets what is printed from then on', async (driver) => {
  const created = await Created.make(driver, 'read a; echo $a; read b; echo $b', { hasStdin: true });
  const before = created.sockets;
  using first = await created.attach(BOTH);
  const early = new Collected(first.output);
  await created.release();
  await first.write(Buffer.from('one\n'));
  await early.until(({ stdout }) => stdout === 'one\n');

  using second = await created.attach(BOTH);
  assert.equal(created.sockets, before + 1);
  const late = new Collected(second.output);
  await second.write(Buffer.from('two\n'));
  await Promise.all([early.ended, late.ended]);

  assert.deepEqual([early.stdout, late.stdout], ['one\ntwo\n', 'two\n']);
  await created.clean();
});

driverTest('input arrives whole, and one for the first client only ends with it', async (driver) => {
  const created = await Created.make(driver, 'wc -c; echo over', { hasStdin: true, isStdinOnce: true });
  using reader = await created.attach(OUTPUT);
  const got = new Collected(reader.output);
  await created.release();

  const writer = await created.attach(INPUT);
  const written = writer.write(Buffer.alloc(3_000_000));
  writer.closeInput();
  await got.ended;
  await written;

  assert.equal(got.stdout, '3000000\nover\n');
  await created.clean();
});

driverTest('a first client that just leaves ends the input as well', async (driver) => {
  const created = await Created.make(driver, 'cat; echo over', { hasStdin: true, isStdinOnce: true });
  await created.release();

  const writer = await created.attach(INPUT);
  void writer.write(Buffer.from('fed\n'));
  writer[Symbol.dispose]();
  await created.untilLogged('over');

  assert.equal(printedIn(driver.logOf(created.run)), 'fed\nover\n');
  await created.clean();
});

driverTest('whoever only watches ends no input by leaving', async (driver) => {
  const created = await Created.make(driver, 'echo ready; cat; echo over', { hasStdin: true, isStdinOnce: true });
  const watching = await created.attach(OUTPUT);
  const got = new Collected(watching.output);
  await created.release();
  await got.until(({ stdout }) => stdout === 'ready\n');
  watching[Symbol.dispose]();

  using writer = await created.attach(BOTH);
  const late = new Collected(writer.output);
  await writer.write(Buffer.from('fed\n'));
  await late.until(({ stdout }) => stdout === 'fed\n');
  writer.closeInput();
  await late.ended;

  assert.equal(late.stdout, 'fed\nover\n');
  await created.clean();
});

driverTest('an input that is not for one client only stays open when its clients leave', async (driver) => {
  const created = await Created.make(driver, 'cat', { hasStdin: true });
  await created.release();
  for (const text of ['one\n', 'two\n']) {
    const writer = await created.attach(INPUT);
    await writer.write(Buffer.from(text));
    writer.closeInput();
    writer[Symbol.dispose]();
    await created.untilLogged(text);
  }

  using again = await created.attach(BOTH);
  const got = new Collected(again.output);
  await again.write(Buffer.from('three\n'));
  await got.until(({ stdout }) => stdout === 'three\n');
  await created.clean();
});

driverTest('what is written to a program that has no input, or closed it, is dropped', async (driver) => {
  const none = await Created.make(driver, 'sleep 1000');
  const closed = await Created.make(driver, 'exec sleep 1000 <&-', { hasStdin: true });
  for (const created of [none, closed]) {
    await created.release();
    using attached = await created.attach(BOTH);
    await sleepFor(100); // it has closed it
    await attached.write(Buffer.alloc(1_000_000));
    attached.closeInput();
    await created.clean();
  }
});

driverTest('a program that closed its input does not keep its monitor busy', async (driver) => {
  const created = await Created.make(driver, 'exec 0<&-; echo closed; exec sleep 1000', { hasStdin: true });
  await created.release();
  await created.untilLogged('closed');
  using attached = await created.attach(BOTH);
  await attached.write(Buffer.from('a key\n'));

  const before = created.monitorTicks;
  await sleepFor(500);

  assert.ok(created.monitorTicks - before < 10, `${created.monitorTicks - before} ticks in half a second`);
  await created.clean();
});

driverTest(
  'a client that reads nothing is let go of, and neither the others nor the program notice',
  async (driver) => {
    const bytes = 20 << 20;
    const created = await Created.make(driver, `head -c ${bytes} /dev/zero; sleep 1000`);
    using stalled = await created.attach(OUTPUT);
    using fast = await created.attach(OUTPUT);
    const got = new Collected(fast.output, true);
    await created.release();

    await got.until((collected) => collected.bytes === bytes);

    await assert.rejects(new Collected(stalled.output).ended, { code: 'ResourceExhausted', message: /fell behind by/ });
    await created.clean();
  },
);

driverTest('attaching to a silent program over and over leaves nothing with its monitor', async (driver) => {
  const created = await Created.make(driver, 'exec sleep 1000', { hasStdin: true });
  await created.release();
  const before = created.sockets;
  for (let times = 0; times < 50; times += 1) (await created.attach(BOTH))[Symbol.dispose]();

  assert.ok(created.sockets <= before + 1, `${before} → ${created.sockets} sockets`);
  await created.clean();
});

driverTest('a connection that nobody reads any more goes with the next thing that is printed', async (driver) => {
  const created = await Created.make(driver, 'read a; echo one; read b; echo two; exec sleep 1000', { hasStdin: true });
  await created.release();
  const before = created.sockets;
  (await created.attach(OUTPUT))[Symbol.dispose]();
  using writer = await created.attach(INPUT);

  await writer.write(Buffer.from('\n'));
  await created.untilLogged('one');
  await sleepFor(100); // what was printed is thrown away, and the connection with it
  await writer.write(Buffer.from('\n'));
  await created.untilLogged('two');
  while (created.sockets > before) await sleepFor(5);

  await created.clean();
});

driverTest('a monitor that stands still is told of, and not waited for', async (driver) => {
  const created = await Created.make(driver, 'sleep 1000', { hasTerminal: true });
  await created.release();
  process.kill(created.processes.monitor.pid, 'SIGSTOP');
  try {
    await assert.rejects(created.attach(OUTPUT), { code: 'Unavailable', message: /does not answer/ });
    await assert.rejects(driver.runtime.resize(created.run, { width: 80, height: 24 }), { code: 'DeadlineExceeded' });
  } finally {
    process.kill(created.processes.monitor.pid, 'SIGCONT');
  }
  await created.clean();
});

driverTest('a monitor that is killed ends the output with the reason', async (driver) => {
  const created = await Created.make(driver, 'sleep 1000');
  await created.release();
  using attached = await created.attach(OUTPUT);
  driver.runtime.killMonitor(created.processes.monitor);

  await assert.rejects(new Collected(attached.output).ended, { code: 'Unavailable', message: /monitor/ });
  await assert.rejects(created.attach(OUTPUT), { code: 'Unavailable' });
  await created.clean();
});

driverTest('another daemon attaches where the first one was', async (driver) => {
  const created = await Created.make(driver, 'cat', { hasStdin: true, hasTerminal: true });
  await created.release();
  const first = await created.attach(BOTH);
  await first.write(Buffer.from('one\n'));
  await created.untilLogged('one');
  await driver.reopen();

  using second = await created.attach(BOTH);
  const got = new Collected(second.output);
  await second.write(Buffer.from('two\n'));
  await got.until(({ stdout }) => stdout === 'two\r\ntwo\r\n');
  first[Symbol.dispose]();
  await created.clean();
});

driverTest('a terminal is as large as the last of many sizes says', async (driver) => {
  const script = 'echo ready; while read a; do busybox stty size; done';
  const created = await Created.make(driver, script, { hasTerminal: true, hasStdin: true });
  await driver.runtime.resize(created.run, { width: 101, height: 33 });
  using attached = await created.attach(BOTH);
  const got = new Collected(attached.output);
  await created.release();
  await got.until(({ stdout }) => stdout.includes('ready'));
  await attached.write(Buffer.from('\n'));
  await got.until(({ stdout }) => stdout.includes('33 101'));

  const sizes = Array.from({ length: 50 }, (_, index) => ({ width: 100 + index, height: 50 }));
  await Promise.all(sizes.map((size) => driver.runtime.resize(created.run, size)));
  await attached.write(Buffer.from('\n'));
  await got.until(({ stdout }) => stdout.includes('50 149'));

  await created.clean();
});

driverTest('a terminal whose monitor is gone cannot be resized', async (driver) => {
  const created = await Created.make(driver, 'sleep 1000', { hasTerminal: true });
  driver.runtime.killMonitor(created.processes.monitor);
  while (driver.runtime.isAlive(created.processes.monitor)) await sleepFor(5);
  await assert.rejects(driver.runtime.resize(created.run, { width: 80, height: 24 }), { code: 'WrongState' });
  await created.clean();
});

driverTest('a client that leaves a terminal leaves its program alone', async (driver) => {
  const created = await Created.make(driver, 'cat', { hasTerminal: true, hasStdin: true, isStdinOnce: true });
  await created.release();
  const first = await created.attach(BOTH);
  first.closeInput();
  first[Symbol.dispose]();

  using second = await created.attach(BOTH);
  const got = new Collected(second.output);
  await second.write(Buffer.from('still here\n'));
  await got.until(({ stdout }) => stdout.includes('still here\r\nstill here\r\n'));
  await created.clean();
});
