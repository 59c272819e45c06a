import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import type { Resources } from '../../src/engine/container/spec.ts';
import type { ContainerRow } from '../../src/engine/container/state.ts';
import type { RunRef } from '../../src/engine/ports.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { Driver } from '../support/driver.ts';
import { layouts } from '../support/process-in-cgroup.ts';
import { containerSpec } from '../support/rows.ts';

const MIB = 1 << 20;

/** A container of the real runtime, and its cgroup. */
class Subject {
  readonly driver: Driver;
  readonly run: RunRef;
  readonly #cgroup: Cgroup;
  #row: ContainerRow;

  private constructor(driver: Driver, run: RunRef, row: ContainerRow, cgroup: Cgroup) {
    this.driver = driver;
    this.run = run;
    this.#row = row;
    this.#cgroup = cgroup;
  }

  static async start(driver: Driver, layout: CgroupLayout, resources: Resources, script: string): Promise<Subject> {
    const process = { ...containerSpec({}).process, args: ['/bin/sh', '-c', script] };
    const { run } = await driver.start({ process, resources });
    const row = savedRow(driver, run);
    return new Subject(driver, run, row, new Cgroup(layout, row.spec.cgroupPath));
  }

  /** Of v1 or of v2, whichever the host has. */
  value(v1: string, v2: string): string | undefined {
    return (this.#cgroup.read(v1) ?? this.#cgroup.read(v2))?.trim();
  }

  write(file: string, value: string): void {
    writeFileSync(this.#cgroup.fileOf(file), value);
  }

  get memory(): string | undefined {
    return this.value('memory.limit_in_bytes', 'memory.max');
  }

  get quota(): string | undefined {
    const v1 = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) => this.#cgroup.read(file)?.trim());
    return v1[0] === undefined ? this.#cgroup.read('cpu.max')?.trim() : v1.join(' ');
  }

  async update(resources: Resources): Promise<void> {
    const { row, from } = { row: this.#row, from: this.#row.spec.resources };
    const changed = { ...row, spec: { ...row.spec, resources } };
    await this.driver.runtime.update(this.run, changed, from);
    this.#row = changed;
  }
}

function savedRow(driver: Driver, { containerId, number }: RunRef): ContainerRow {
  const file = readFileSync(`${driver.root}/run/runs/${containerId}/${number}/run.json`, 'utf8');
  return (JSON.parse(file) as { row: ContainerRow }).row;
}

function limitTest(
  name: string,
  resources: Resources,
  work: (subject: Subject, layout: CgroupLayout) => Promise<void>,
  script = 'sleep 1000',
): void {
  for (const layout of layouts) {
    test(`${name} (${layout.mode})`, async () => {
      const driver = await Driver.open(layout);
      try {
        const subject = await Subject.start(driver, layout, resources, script);
        await work(subject, layout);
        await driver.clean(subject.run);
        assert.deepEqual(driver.census(), []);
      } finally {
        await driver[Symbol.asyncDispose]();
      }
    });
  }
}

limitTest(
  'limits of memory move up and down while the container runs, and a new daemon finds them',
  { memoryBytes: 64 * MIB, memorySwapBytes: 64 * MIB },
  async (subject) => {
    for (const mib of [128, 32, 96]) {
      const resources = { memoryBytes: mib * MIB, memorySwapBytes: (mib + 8) * MIB };
      await subject.update(resources);
      assert.equal(subject.memory, String(mib * MIB));
      assert.equal(
        subject.value('memory.memsw.limit_in_bytes', 'memory.swap.max'),
        String((subject.value('memory.memsw.limit_in_bytes', 'none') === undefined ? 8 : mib + 8) * MIB),
      );
      assert.deepEqual(savedRow(subject.driver, subject.run).spec.resources, resources);
    }
    await subject.update({});
    assert.match(subject.memory ?? '', /^(max|9223372036854771712)$/);
  },
);

limitTest('a quota of the processors changes, and goes', { cpuQuotaUs: 40_000 }, async (subject) => {
  await subject.update({ cpuQuotaUs: 30_000, cpuPeriodUs: 50_000 });
  assert.equal(subject.quota, '30000 50000');
  await subject.update({ cpuQuotaUs: 60_000, cpuPeriodUs: 200_000 });
  assert.equal(subject.quota, '60000 200000');
  await subject.update({ cpuQuotaUs: -1, cpuPeriodUs: 200_000 });
  assert.match(subject.quota ?? '', /^(-1|max) 200000$/);
});

limitTest(
  'a share of the processors that is changed to what it was is what it was',
  { cpuShares: 512 },
  async (subject) => {
    const before = subject.value('cpu.shares', 'cpu.weight');
    await subject.update({ cpuShares: 2_048 });
    const more = subject.value('cpu.shares', 'cpu.weight');
    assert.ok(Number(more) > Number(before));
    await subject.update({ cpuShares: 512 });
    assert.equal(subject.value('cpu.shares', 'cpu.weight'), before);
  },
);

limitTest('the number of processes is limited, and no more', { pids: 100 }, async (subject) => {
  await subject.update({ pids: 50 });
  assert.equal(subject.value('pids.max', 'pids.max'), '50');
  await subject.update({});
  assert.equal(subject.value('pids.max', 'pids.max'), 'max');
});

if (availableParallelism() > 1) {
  limitTest(
    'a container moves to another processor with the commands that run in it',
    { cpusetCpus: '0' },
    async (subject) => {
      const plan = {
        id: '123456789012',
        args: ['/bin/sleep', '1000'],
        env: [],
        cwd: '/',
        user: { uid: 0, gid: 0, additionalGids: [], home: '/' },
        hasStdin: false,
        hasTerminal: false,
        size: undefined,
      };
      const exec = await subject.driver.runtime.exec(subject.run, plan, new AbortController().signal);
      await subject.update({ cpusetCpus: '1' });
      assert.equal(subject.value('cpuset.cpus', 'cpuset.cpus'), '1');
      const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(
        readFileSync(`/proc/${exec.identity.pid}/status`, 'utf8'),
      )?.[1];
      assert.equal(allowed, '1');
      await exec.kill();
      await exec.ended;
    },
  );
}

limitTest(
  'a limit below what it uses is refused, and nobody is killed for it',
  { memoryBytes: 64 * MIB, memorySwapBytes: 64 * MIB },
  async (subject) => {
    const { driver, run } = subject;
    while ((driver.runtime.usage(run)?.workingSetBytes ?? 0) < 30 * MIB) {
      await driver.exec(run, ['/bin/true']); // it takes its memory meanwhile
    }
    await assert.rejects(subject.update({ memoryBytes: 16 * MIB, memorySwapBytes: 16 * MIB }), {
      code: 'WrongState',
      message: /^Cannot limit its memory to 16\.0 MiB: it uses \d+\.\d MiB$/,
    });
    assert.equal(subject.memory, String(64 * MIB));
    assert.equal((await driver.exec(run, ['/bin/true'])).code, 0);
  },
  'a=$(head -c 31457280 /dev/zero | tr "\\0" x); sleep 1000 & wait',
);

limitTest(
  'what was changed before something is refused is taken back',
  { memoryBytes: 64 * MIB, memorySwapBytes: 64 * MIB, cpuQuotaUs: 50_000 },
  async (subject) => {
    const wrong = { memoryBytes: 128 * MIB, memorySwapBytes: 128 * MIB, cpuQuotaUs: 50_000, cpusetCpus: '4000' };
    await assert.rejects(subject.update(wrong), {
      code: 'InvalidArgument',
      message: /^Cannot change its limits: the kernel refuses cpuset\.cpus: /,
    });
    assert.equal(subject.memory, String(64 * MIB));
    assert.equal(savedRow(subject.driver, subject.run).spec.resources.memoryBytes, 64 * MIB);
    await subject.update({ memoryBytes: 32 * MIB, memorySwapBytes: 32 * MIB, cpuQuotaUs: 50_000 });
    assert.equal(subject.memory, String(32 * MIB));
  },
);

limitTest('a paused container takes its limits too', { cpuQuotaUs: 50_000 }, async (subject) => {
  const { driver, run } = subject;
  await driver.runtime.pause(run);
  await subject.update({ cpuQuotaUs: 20_000, memoryBytes: 32 * MIB, memorySwapBytes: 32 * MIB });
  assert.deepEqual([subject.quota, subject.memory], ['20000 100000', String(32 * MIB)]);
  await driver.runtime.resume(run);
});
